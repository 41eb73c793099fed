// The gradients, back through all time steps. With dM = A dZ A' the points of the gates' gradients, one transform
// serves both: the inputs' gradients are B (dM U') B', tile overlapping tile, and the weights' G' (V' dM) G, summed
// over all tiles.
#pragma once

#include <cstring>
#include <initializer_list>

#include "forward.hpp"

namespace nextframe {
namespace {

// Columns of the products that lead to the inputs' gradients: hidden channels, then, where their gradient is wanted,
// the frames', each rounded up to eight. They go in groups of 64 or 32, the last one of 16 where that is enough.
struct InputColumns {
  int hidden, used, main, groups, tail;
  InputColumns(const Shape& s, bool frames) : hidden(round_up(s.filters, kLanes)) {
    used = hidden + (frames ? round_up(s.channels, kLanes) : 0);
    main = kWide == 16 && used % 64 == 0 ? 64 : 32;
    const int rest = used % main;
    tail = rest > 0 && rest <= 16 ? 16 : 0;
    groups = used / main + (rest > 16);
  }
  int total() const { return groups * main + tail; }
};

constexpr int kGates = 4 * kLanes;  // the four gates of eight filters lie side by side

// Tiles of a block: the more, the more seldom all weights and the sums of their gradients pass through the cache; the
// fewer, the closer the gates' points. Measured: 48 of 40 filters are as good as 24 and better than 96.
constexpr int kBackwardFloats = 1000000;
inline int backward_tiles(const Shape& s) {
  return larger(kRowStep,
                smaller(48, kBackwardFloats / (kPoints * parts_of(s.filters) * kGates)) / kRowStep * kRowStep);
}

// Where a thread keeps what, in its scratch memory.
struct BackwardLayout {
  int tiles, rows, depth, columns;
  size_t edges, sums, bias, inputs, gradients, products, total;
  explicit BackwardLayout(const Shape& s) {
    tiles = backward_tiles(s);
    rows = parts_of(s.filters) + parts_of(s.channels);
    depth = parts_of(s.filters) * kGates;
    columns = InputColumns(s, true).total();
    size_t at = 0;
    const auto reserve = [&](size_t floats) { return at += floats, at - floats; };
    edges = reserve(static_cast<size_t>(2) * 2 * s.width * columns);
    sums = reserve(static_cast<size_t>(kPoints) * rows * kLanes * depth);
    bias = reserve(depth);
    inputs = reserve(static_cast<size_t>(kPoints) * rows * tiles * kLanes);
    gradients = reserve(static_cast<size_t>(kPoints) * tiles * depth);
    products = reserve(static_cast<size_t>(kPoints) * tiles * columns);
    total = at;
  }
};

size_t packed_backward_floats(const Shape& s, bool frames) {
  return static_cast<size_t>(kPoints) * parts_of(s.filters) * kGates * InputColumns(s, frames).total();
}

// The weights as U[36][groups of columns][filters / 8][4 gates][8][columns of the group].
template <int R>
void pack_backward(const BackwardJob& job, int id, int threads) {
  const Shape& s = job.shape;
  const InputColumns columns(s, job.grad_frames != nullptr);
  const int depth = parts_of(s.filters) * kGates;
  for (int k = share(depth, id, threads); k < share(depth, id + 1, threads); ++k) {
    const int gate = k % kGates / kLanes, f = k / kGates * kLanes + k % kLanes;
    for (int column = 0; column < columns.total(); column += kLanes) {
      const int group = smaller(column / columns.main, columns.groups);
      const int width = group < columns.groups ? columns.main : columns.tail, inner = column - group * columns.main;
      const auto weight = [&](int lane) -> const float* {
        const int n = column + lane, frame = n - columns.hidden;
        if (f >= s.filters || (n < columns.hidden ? n >= s.filters : frame >= s.channels)) return nullptr;
        return kernel_of<R>(s, job.weight_x, job.weight_h, n < columns.hidden ? n : s.filters + frame, gate, f);
      };
      float* out =
          job.packed + static_cast<size_t>(group) * columns.main * depth + static_cast<size_t>(k) * width + inner;
      pack_row<R>(weight, out, static_cast<size_t>(depth) * columns.total());
    }
  }
}

// The gradients by the gates before their activation, of eight filters of a tile; leaves the one by the cell state
// before.
template <int M, bool whole>
INLINE void gate_gradients(int rows, int columns, int n, int filters, ptrdiff_t line, const float* gates,
                           const float* cell_before, const float* cell_after, const float* grad_hiddens,
                           const float* grad_hidden, float* grad_cell, vec z[4][M][M]) {
  const auto read = [&](const float* p) { return whole ? load(p) : load(p, n); };
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < M; ++j) {
      if (!whole && (i >= rows || j >= columns)) {
        for (int gate = 0; gate < 4; ++gate) z[gate][i][j] = vec{};
        continue;
      }
      const ptrdiff_t at = i * line + static_cast<ptrdiff_t>(j) * filters;
      const float* kept = gates + (i * M + j) * kGates;
      const vec input = load(kept), forget = load(kept + kLanes), output = load(kept + 2 * kLanes),
                update = load(kept + 3 * kLanes);
      const vec squashed = hyperbolic_tangent(read(cell_after + at));
      const vec hidden = read(grad_hiddens + at) + read(grad_hidden + at);
      const vec cell = read(grad_cell + at) + hidden * output * (1.f - squashed * squashed);
      z[0][i][j] = cell * update * input * (1.f - input);
      z[1][i][j] = cell * read(cell_before + at) * forget * (1.f - forget);
      z[2][i][j] = hidden * squashed * output * (1.f - output);
      z[3][i][j] = cell * input * (1.f - update * update);
      if (whole)
        store(grad_cell + at, cell * forget);
      else
        store(grad_cell + at, cell * forget, n);
    }
}

// The points of the gates' gradients of tiles [first, last), D[36][filters / 8][tiles][4 gates][8]; adds to the bias'
// gradient.
template <int M>
void transform_gradients(const BackwardJob& job, const Tiling<M>& tiling, int t, int first, int last, int tiles,
                         float* D, float* bias) {
  const Shape& s = job.shape;
  const int F = s.filters, parts = parts_of(F);
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width * F,
               stride = static_cast<size_t>(parts) * tiles * kGates;
  const ptrdiff_t line = static_cast<ptrdiff_t>(s.width) * F;
  const float *cell_before = t == 0 ? job.cell : job.cells + (t - 1) * plane, *cell_after = job.cells + t * plane;
  const float *grad_hiddens = job.grad_hiddens + t * plane,
              *grad_hidden = job.grad_hidden + (s.steps - 1 - t) % 2 * plane;
  for (int tile = first; tile < last; ++tile) {
    const Place<M> at(tiling, tile);
    const bool inside = at.outputs_inside(tiling);
    for (int part = 0; part < parts; ++part) {
      const int f = part * kLanes, n = smaller(kLanes, F - f);
      const size_t here = at.pixel(tiling) * F + f;
      const size_t chunk = (static_cast<size_t>(t) * tiling.count(s.batch) + tile) * parts + part;
      const float* gates = job.gates + chunk * M * M * kGates;
      vec z[4][M][M];
      if (inside && n == kLanes)
        gate_gradients<M, true>(M, M, n, F, line, gates, cell_before + here, cell_after + here, grad_hiddens + here,
                                grad_hidden + here, job.grad_cell + here, z);
      else
        gate_gradients<M, false>(s.height - at.y, s.width - at.x, n, F, line, gates, cell_before + here,
                                 cell_after + here, grad_hiddens + here, grad_hidden + here, job.grad_cell + here, z);
      float* out = D + (static_cast<size_t>(part) * tiles + tile - first) * kGates;
      for (int gate = 0; gate < 4; ++gate) {
        output_gradient_to_points<M>(z[gate], out + gate * kLanes, stride);
        vec sum = load(bias + part * kGates + gate * kLanes);
        for (int i = 0; i < M * M; ++i) sum += z[gate][i / M][i % M];
        store(bias + part * kGates + gate * kLanes, sum);
      }
    }
  }
}

// A thread's tile rows. Tiles overlap by pixels that may be another thread's: those rows are kept aside, the ones above
// the band and the ones below, and handed over when all threads have met.
struct Band {
  int first, last;              // tile rows, counted over all images
  bool open_above, open_below;  // whether the neighbouring tile row of the same image is another thread's
  Band(int rows, int down, int id, int threads) : first(share(rows, id, threads)), last(share(rows, id + 1, threads)) {
    open_above = first < last && first % down != 0;
    open_below = first < last && last % down != 0;
  }
};

// One of the two tensors (B, H, W, channels) that inputs' gradients are added to, and a thread's rows aside.
struct Target {
  float* pixels;
  int channels;
  float *above, *below;  // [pad][W][channels]
};

// Add to the gradients of the inputs of tiles [first, last), from products[36][tiles][stride], from `column` on.
template <int M>
void add_input_gradients(const Target& target, const Tiling<M>& tiling, const Band& band, int first, int last,
                         const float* products, int tiles, int columns, int column) {
  constexpr int pad = Tiling<M>::kPad;
  const int channels = target.channels;
  const ptrdiff_t line = static_cast<ptrdiff_t>(tiling.width) * channels;
  const size_t stride = static_cast<size_t>(tiles) * columns;
  for (int tile = first; tile < last; ++tile) {
    const Place<M> at(tiling, tile);
    const int row = tile / tiling.across;
    const bool above = band.open_above && row == band.first, below = band.open_below && row == band.last - 1;
    const bool simple = at.inputs_inside(tiling) && !above && !below;
    float* corner = target.pixels + (at.pixel(tiling) - pad * tiling.width - pad) * channels;
    for (int c = 0; c < channels; c += kLanes) {
      const float* points = products + static_cast<size_t>(tile - first) * columns + column + c;
      const int n = channels - c;
      if (simple && n >= kLanes) {
        points_to_input_gradient(points, stride, [&](int i, int j, vec d) ALWAYS_INLINE {
          float* p = corner + i * line + j * channels + c;
          store(p, load(p) + d);
        });
      } else {
        points_to_input_gradient(points, stride, [&](int i, int j, vec d) {
          const int y = at.y - pad + i, x = at.x - pad + j;
          if (y < 0 || y >= tiling.height || x < 0 || x >= tiling.width) return;
          float* p = corner + i * line + j * channels + c;
          if (above && i < pad) p = target.above + i * line + x * channels + c;
          if (below && i >= pad + M) p = target.below + (i - pad - M) * line + x * channels + c;
          store(p, load(p, n) + d, n);
        });
      }
    }
  }
}

template <int M>
class Backward {
 public:
  Backward(const BackwardJob& job, int id, int threads, Barrier& barrier, float* const* scratches)
      : job_(job),
        s_(job.shape),
        id_(id),
        threads_(threads),
        barrier_(barrier),
        scratches_(scratches),
        tiling_(s_),
        layout_(s_),
        columns_(s_, job.grad_frames != nullptr),
        band_(tiling_.down * s_.batch, tiling_.down, id, threads),
        plane_(static_cast<size_t>(s_.batch) * s_.height * s_.width) {}

  void run() {
    float* scratch = scratches_[id_];
    std::memset(scratch, 0, sizeof(float) * layout_.total);
    for (int t = s_.steps - 1; t >= 0; --t) {
      const bool inputs = t > 0 || job_.wants_initial || job_.grad_frames != nullptr;
      const Target hidden = target(t, id_, false), frames = target(t, id_, true);
      if (inputs) clear(hidden, frames);
      for (int first = band_.first * tiling_.across; first < band_.last * tiling_.across; first += layout_.tiles)
        block(t, first, smaller(band_.last * tiling_.across, first + layout_.tiles), inputs, hidden, frames);
      barrier_.wait();
      if (!inputs || threads_ == 1) continue;
      hand_over(t, false);
      if (job_.grad_frames != nullptr) hand_over(t, true);
      barrier_.wait();
    }
  }

 private:
  static constexpr int kPad = Tiling<M>::kPad;

  Target target(int t, int id, bool frames) const {
    const int channels = frames ? s_.channels : s_.filters;
    float* pixels = frames ? (job_.grad_frames == nullptr ? nullptr : job_.grad_frames + t * plane_ * channels)
                           : job_.grad_hidden + (s_.steps - t) % 2 * plane_ * channels;
    const size_t edge = static_cast<size_t>(kPad) * s_.width;
    float* edges = scratches_[id] + layout_.edges + (frames ? 2 * edge * s_.filters : 0);
    return {pixels, channels, edges, edges + edge * channels};
  }

  // Pixel rows of the band, as offsets into (B, H, W).
  size_t pixel_row(int tile_row) const {
    return static_cast<size_t>(tile_row / tiling_.down) * s_.height + smaller(s_.height, tile_row % tiling_.down * M);
  }

  void clear(const Target& hidden, const Target& frames) const {
    const size_t from = pixel_row(band_.first) * s_.width, to = pixel_row(band_.last) * s_.width;
    const size_t edges = static_cast<size_t>(2) * kPad * s_.width;
    for (const Target& one : {hidden, frames}) {
      if (one.pixels == nullptr || band_.first == band_.last) continue;
      std::memset(one.pixels + from * one.channels, 0, sizeof(float) * (to - from) * one.channels);
      std::memset(one.above, 0, sizeof(float) * edges * one.channels);
    }
  }

  void block(int t, int first, int last, bool inputs, const Target& hidden, const Target& frames) const {
    float* scratch = scratches_[id_];
    float *V = scratch + layout_.inputs, *D = scratch + layout_.gradients, *products = scratch + layout_.products;
    const int tiles = layout_.tiles, hidden_rows = parts_of(s_.filters);
    transform_gradients<M>(job_, tiling_, t, first, last, tiles, D, scratch + layout_.bias);
    if (job_.wants_weights) {
      const float* before = t == 0 ? job_.hidden : job_.hiddens + (t - 1) * plane_ * s_.filters;
      transform_input<M>(before, s_.filters, tiling_, first, last, V, tiles, layout_.rows, 0);
      transform_input<M>(job_.frames + t * plane_ * s_.channels, s_.channels, tiling_, first, last, V, tiles,
                         layout_.rows, hidden_rows);
    }
    const int total = columns_.total();
    for (int point = 0; point < kPoints; ++point) {
      const float* gradients = D + static_cast<size_t>(point) * tiles * layout_.depth;
      if (inputs)
        multiply_point(gradients, job_.packed + static_cast<size_t>(point) * layout_.depth * total,
                       products + static_cast<size_t>(point) * tiles * total, last - first);
      if (job_.wants_weights)
        accumulate_point(V + static_cast<size_t>(point) * layout_.rows * tiles * kLanes, gradients,
                         scratch + layout_.sums + static_cast<size_t>(point) * layout_.rows * kLanes * layout_.depth,
                         last - first);
    }
    if (!inputs) return;
    add_input_gradients<M>(hidden, tiling_, band_, first, last, products, tiles, total, 0);
    if (frames.pixels != nullptr)
      add_input_gradients<M>(frames, tiling_, band_, first, last, products, tiles, total, columns_.hidden);
  }

  void multiply_point(const float* gradients, const float* U, float* products, int used) const {
    const Factor factor[1] = {{gradients, layout_.depth}};
    const int tiles = layout_.tiles, total = columns_.total();
    for (int group = 0; group < columns_.groups; ++group, U += static_cast<size_t>(layout_.depth) * columns_.main) {
      float* out = products + group * columns_.main;
      if (columns_.main == 32)
        multiply<32, kGates>(factor, tiles, used, U, out, total);
      else if constexpr (kWide == 16)
        multiply<64, kGates>(factor, tiles, used, U, out, total);
    }
    if (columns_.tail > 0)
      multiply<16, kGates>(factor, tiles, used, U, products + columns_.groups * columns_.main, total);
  }

  // sums[filters / 8][rows][4 gates][8] += V' D
  void accumulate_point(const float* V, const float* D, float* sums, int used) const {
    constexpr int columns = 2 * kWide;
    const int tiles = layout_.tiles, whole = s_.channels == 1 ? layout_.rows - 1 : layout_.rows;
    for (int part = 0; part < parts_of(s_.filters); ++part, D += static_cast<size_t>(tiles) * kGates)
      for (int column = 0; column < kGates; column += columns) {
        float* out = sums + static_cast<size_t>(part) * layout_.rows * kLanes * kGates + column;
        for (int row = 0; row < whole; ++row)
          accumulate<kLanes, columns>(V + static_cast<size_t>(row) * tiles * kLanes, D + column, kGates, used,
                                      out + static_cast<size_t>(row) * kLanes * kGates, kGates);
        if (whole < layout_.rows)  // frames of one channel
          accumulate<1, columns>(V + static_cast<size_t>(whole) * tiles * kLanes, D + column, kGates, used,
                                 out + static_cast<size_t>(whole) * kLanes * kGates, kGates);
      }
  }

  // Take over from the neighbours what their tiles add to this band's pixels.
  void hand_over(int t, bool frames) const {
    const Target mine = target(t, id_, frames);
    const size_t floats = static_cast<size_t>(kPad) * s_.width * mine.channels;
    const auto add = [&](float* to, const float* from, size_t count) {
      for (size_t i = 0; i < count; ++i) to[i] += from[i];
    };
    if (band_.open_above) {
      int other = id_ - 1;
      while (share(tiling_.down * s_.batch, other, threads_) == band_.first) --other;  // threads without rows
      add(mine.pixels + pixel_row(band_.first) * s_.width * mine.channels, target(t, other, frames).below,
          smaller(kPad, s_.height - band_.first % tiling_.down * M) * (floats / kPad));
    }
    if (band_.open_below) {
      int other = id_ + 1;
      while (share(tiling_.down * s_.batch, other + 1, threads_) == band_.last) ++other;
      add(mine.pixels + (pixel_row(band_.last) - kPad) * s_.width * mine.channels, target(t, other, frames).above,
          floats);
    }
  }

  const BackwardJob& job_;
  const Shape& s_;
  const int id_, threads_;
  Barrier& barrier_;
  float* const* scratches_;
  const Tiling<M> tiling_;
  const BackwardLayout layout_;
  const InputColumns columns_;
  const Band band_;
  const size_t plane_;
};

// The kernels' gradients from the sums of all threads.
template <int R>
void finish_weight_gradient(const BackwardJob& job, int id, int threads, float* const* scratches) {
  const Shape& s = job.shape;
  const int C = s.channels, F = s.filters, parts = parts_of(F);
  const BackwardLayout layout(s);
  for (int k = share(C + F, id, threads); k < share(C + F, id + 1, threads); ++k)
    for (int column = 0; column < layout.depth; column += kLanes) {
      const int row = k < F ? k : parts * kLanes + k - F, part = column / kGates, gate = column % kGates / kLanes;
      const size_t at =
          layout.sums + (static_cast<size_t>(part) * layout.rows * kLanes + row) * kGates + column % kGates;
      vec u[6][6] = {}, w[6][R], g[R][R];
      for (int point = 0; point < kPoints; ++point)
        for (int thread = 0; thread < threads; ++thread)
          u[point / 6][point % 6] +=
              load(scratches[thread] + at + static_cast<size_t>(point) * layout.rows * kLanes * layout.depth);
      for (int i = 0; i < 6; ++i) transform_kernel_gradient_row<R>(u[i], w[i]);
      for (int j = 0; j < R; ++j) {
        vec in[6], result[R];
        for (int i = 0; i < 6; ++i) in[i] = w[i][j];
        transform_kernel_gradient_row<R>(in, result);
        for (int i = 0; i < R; ++i) g[i][j] = result[i];
      }
      for (int lane = 0; lane < kLanes && part * kLanes + lane < F; ++lane) {
        const size_t out = static_cast<size_t>(gate) * F + part * kLanes + lane;
        float* to = k < F ? job.grad_weight_h + (out * F + k) * R * R : job.grad_weight_x + (out * C + k - F) * R * R;
        for (int i = 0; i < R * R; ++i) to[i] = g[i / R][i % R][lane];
      }
    }
  if (id != 0) return;
  for (int gate = 0; gate < 4; ++gate)
    for (int f = 0; f < F; ++f) {
      float sum = 0;
      for (int thread = 0; thread < threads; ++thread)
        sum += scratches[thread][layout.bias + f / kLanes * kGates + gate * kLanes + f % kLanes];
      job.grad_bias[gate * F + f] = sum;
    }
}

}  // namespace
}  // namespace nextframe
