// The ConvLSTM over all time steps, forward and backward. Compiled once for each instruction set, with KERNELS the name of
// the table it exports and REGISTER_FLOATS the width of a register; nothing here may have external linkage but that table,
// or a linker could hand one processor's code to another.
//
// Work is cut into blocks of tiles that run over all images. For a block and a group of filters the transformed inputs, the
// products and the outputs stay in the second-level cache: transform, 36 small matrix products, inverse transform, gates.
#include "engine.hpp"
#include "winograd.hpp"

namespace nextframe {
namespace {

constexpr int kWide = REGISTER_FLOATS;
typedef float wide __attribute__((vector_size(4 * kWide), aligned(4), may_alias));

// Filters of a group, chosen so that its four gates fill whole registers without waste where that is possible.
constexpr int kLargeGroup = kWide == 16 ? 16 : 8;
inline int group_size(int filters) { return filters % kLargeGroup == 0 ? kLargeGroup : 8; }

// Rows of a register block, for so many columns: enough accumulators to hide the latency, few enough for the registers.
constexpr int rows_for(int columns) {
  return kWide == 16 ? (columns == 64 ? 6 : 12) : (columns == 16 ? 6 : 3);
}
constexpr int kRowStep = 12;  // a multiple of every rows_for

// Tiles of a block: as many as leave their transformed inputs in the second-level cache.
inline int block_tiles(int depth) {
  return larger(kRowStep, smaller(96, 200000 / (kPoints * depth)) / kRowStep * kRowStep);
}

template <int M>
struct Tiling {
  int height, width, down, across;
  explicit Tiling(const Shape& s)
      : height(s.height), width(s.width), down((s.height + M - 1) / M), across((s.width + M - 1) / M) {}
  int count(int images) const { return images * down * across; }
  // Image, and row and column of the first output pixel of a tile.
  void locate(int tile, int& image, int& y, int& x) const {
    image = tile / (down * across);
    const int rest = tile % (down * across);
    y = rest / across * M;
    x = rest % across * M;
  }
};

inline int share(int n, int id, int threads) { return static_cast<int>(static_cast<long>(n) * id / threads); }

// Tiles [first, last) of `source` (images, H, W, C), whose first image is number `origin`, into
// V[36][columns / block][tiles][block], from column `column` and place `at` on.
template <int M>
void transform_input(const float* source, int channels, const Tiling<M>& tiling, int first, int last, float* V, int tiles,
                     int columns, int column, int block, int origin = 0, int at = 0) {
  constexpr int pad = (kTile - M) / 2;
  for (int tile = first; tile < last; ++tile) {
    int image, y, x;
    tiling.locate(tile, image, y, x);
    image -= origin;
    y -= pad;
    x -= pad;
    const bool inside = y >= 0 && x >= 0 && y + kTile <= tiling.height && x + kTile <= tiling.width;
    for (int c = 0; c < channels; c += kLanes) {
      const int n = smaller(kLanes, channels - c);
      const ptrdiff_t corner = ((static_cast<ptrdiff_t>(image) * tiling.height + y) * tiling.width + x) * channels + c;
      vec d[6][6], u[6][6];
      for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j) {
          const float* pixel = source + corner + (static_cast<ptrdiff_t>(i) * tiling.width + j) * channels;
          const bool there =
              inside || (y + i >= 0 && y + i < tiling.height && x + j >= 0 && x + j < tiling.width);
          d[i][j] = there ? load(pixel, n) : vec{};
        }
      for (int i = 0; i < 6; ++i) transform_input_row(d[i], u[i]);
      const int to = column + c;
      float* out = V + static_cast<size_t>(to / block) * tiles * block + static_cast<size_t>(at + tile - first) * block + to % block;
      for (int j = 0; j < 6; ++j) {
        vec in[6], result[6];
        for (int i = 0; i < 6; ++i) in[i] = u[i][j];
        transform_input_row(in, result);
        for (int i = 0; i < 6; ++i) store(out + static_cast<size_t>(i * 6 + j) * tiles * columns, result[i], n);
      }
    }
  }
}

// Output gradients of tiles [first, last) into D[36][columns / block][tiles][block]; their sums are added to `total`.
template <int M>
void transform_gradient(const float* source, int channels, const Tiling<M>& tiling, int first, int last, float* D, int tiles,
                        int columns, int block, float* total) {
  for (int tile = first; tile < last; ++tile) {
    int image, y, x;
    tiling.locate(tile, image, y, x);
    const bool inside = y + M <= tiling.height && x + M <= tiling.width;
    for (int c = 0; c < channels; c += kLanes) {
      const int n = smaller(kLanes, channels - c);
      const ptrdiff_t corner = ((static_cast<ptrdiff_t>(image) * tiling.height + y) * tiling.width + x) * channels + c;
      vec d[M][M], u[M][6], sum = {};
      for (int i = 0; i < M; ++i)
        for (int j = 0; j < M; ++j) {
          const bool there = inside || (y + i < tiling.height && x + j < tiling.width);
          d[i][j] = there ? load(source + corner + (static_cast<ptrdiff_t>(i) * tiling.width + j) * channels, n) : vec{};
          sum += d[i][j];
        }
      store(total + c, load(total + c, n) + sum, n);
      for (int i = 0; i < M; ++i) transform_gradient_row<M>(d[i], u[i]);
      float* out = D + static_cast<size_t>(c / block) * tiles * block + static_cast<size_t>(tile - first) * block + c % block;
      for (int j = 0; j < 6; ++j) {
        vec in[M], result[6];
        for (int i = 0; i < M; ++i) in[i] = u[i][j];
        transform_gradient_row<M>(in, result);
        for (int i = 0; i < 6; ++i) store(out + static_cast<size_t>(i * 6 + j) * tiles * columns, result[i], n);
      }
    }
  }
}

// M outputs by M of one tile, eight of the columns of products[36][tiles][columns].
template <int M, int columns>
inline void inverse_transform(const float* products, int tiles, int tile, int column, vec y[M][M]) {
  vec u[6][M];
  for (int i = 0; i < 6; ++i) {
    vec m[6];
    for (int j = 0; j < 6; ++j)
      m[j] = load(products + (static_cast<size_t>(i * 6 + j) * tiles + tile) * columns + column);
    transform_output_row<M>(m, u[i]);
  }
  for (int j = 0; j < M; ++j) {
    vec m[6], result[M];
    for (int i = 0; i < 6; ++i) m[i] = u[i][j];
    transform_output_row<M>(m, result);
    for (int i = 0; i < M; ++i) y[i][j] = result[i];
  }
}

// out[rows][columns] = V[rows][depth] U[depth][columns], a block that stays in registers.
template <int rows, int columns>
inline void multiply_block(const float* __restrict V, int depth, const float* __restrict U, float* __restrict out) {
  constexpr int registers = columns / kWide;
  wide sum[rows][registers];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) sum[r][v] = wide{};
  for (int k = 0; k < depth; ++k) {
    wide u[registers];
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) u[v] = *reinterpret_cast<const wide*>(U + static_cast<size_t>(k) * columns + v * kWide);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const float a = V[static_cast<size_t>(r) * depth + k];
#pragma GCC unroll 8
      for (int v = 0; v < registers; ++v) sum[r][v] += a * u[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) *reinterpret_cast<wide*>(out + static_cast<size_t>(r) * columns + v * kWide) = sum[r][v];
}

// products[36][tiles][columns] = V[36][tiles][depth] U[36][depth][columns]; rows past `used` may hold anything.
template <int columns>
void multiply(const float* V, int tiles, int used, int depth, const float* U, float* products) {
  constexpr int rows = rows_for(columns);
  for (int point = 0; point < kPoints; ++point)
    for (int r = 0; r < used; r += rows)
      multiply_block<rows, columns>(V + (static_cast<size_t>(point) * tiles + r) * depth, depth,
                                    U + static_cast<size_t>(point) * depth * columns,
                                    products + (static_cast<size_t>(point) * tiles + r) * columns);
}

// ---- packing the weights: U[group][36][depth][columns]

// Transform the kernels that `weight(lane)` points to (null: zeros), and put them into one row of eight columns.
template <int R, bool flipped, typename Weight>
inline void pack_row(Weight weight, float* out, size_t stride) {
  vec g[R][R] = {}, u[R][6];
  for (int lane = 0; lane < kLanes; ++lane)
    if (const float* w = weight(lane))
      for (int i = 0; i < R * R; ++i) g[i / R][i % R][lane] = w[flipped ? R * R - 1 - i : i];
  for (int i = 0; i < R; ++i) transform_kernel_row<R>(g[i], u[i]);
  for (int j = 0; j < 6; ++j) {
    vec in[R], result[6];
    for (int i = 0; i < R; ++i) in[i] = u[i][j];
    transform_kernel_row<R>(in, result);
    for (int i = 0; i < 6; ++i) store(out + static_cast<size_t>(i * 6 + j) * stride, result[i]);
  }
}

template <int R>
void pack_forward(const ForwardJob& job, int id, int threads) {
  const int C = job.shape.channels, F = job.shape.filters, depth = C + F;
  const int size = group_size(F), columns = 4 * size, groups = (F + size - 1) / size;
  for (int row = share(groups * depth, id, threads); row < share(groups * depth, id + 1, threads); ++row) {
    const int group = row / depth, k = row % depth;
    float* out = job.packed + (static_cast<size_t>(group) * kPoints * depth + k) * columns;
    for (int column = 0; column < columns; column += kLanes) {
      const int gate = column / size, from = group * size + column % size;
      const auto weight = [&](int lane) -> const float* {
        const int f = from + lane;
        if (f >= F) return nullptr;
        return k < C ? job.weight_x + (static_cast<size_t>(gate * F + f) * C + k) * R * R
                     : job.weight_h + (static_cast<size_t>(gate * F + f) * F + k - C) * R * R;
      };
      pack_row<R, false>(weight, out + column, static_cast<size_t>(depth) * columns);
    }
  }
}

// Columns of the backward products: hidden channels first, then the frames' where their gradient is wanted. They go in
// groups of 64 or 32, the last one of 16 where that is enough.
struct BackwardColumns {
  int used, main, groups, tail;
  BackwardColumns(const Shape& s, bool frames) : used(s.filters + (frames ? s.channels : 0)) {
    main = kWide == 16 && used % 64 == 0 ? 64 : 32;
    const int rest = used % main;
    tail = rest > 0 && rest <= 16 ? 16 : 0;
    groups = used / main + (rest > 16);
  }
  int total() const { return groups * main + tail; }
};

template <int R>
void pack_backward(const BackwardJob& job, int id, int threads) {
  const int C = job.shape.channels, F = job.shape.filters, depth = 4 * F;
  const BackwardColumns columns(job.shape, job.grad_frames != nullptr);
  for (int k = share(depth, id, threads); k < share(depth, id + 1, threads); ++k)
    for (int column = 0; column < columns.total(); column += kLanes) {
      const int group = smaller(column / columns.main, columns.groups);
      const int width = group < columns.groups ? columns.main : columns.tail, inner = column - group * columns.main;
      const auto weight = [&](int lane) -> const float* {
        const int n = column + lane;
        if (n >= columns.used) return nullptr;
        return n < F ? job.weight_h + (static_cast<size_t>(k) * F + n) * R * R
                     : job.weight_x + (static_cast<size_t>(k) * C + n - F) * R * R;
      };
      float* out = job.packed + static_cast<size_t>(group) * kPoints * depth * columns.main + static_cast<size_t>(k) * width + inner;
      pack_row<R, true>(weight, out, static_cast<size_t>(depth) * width);
    }
}

// ---- forward

template <int M, int size>
void forward_group(const ForwardJob& job, const Tiling<M>& tiling, int t, int group, int first, int last, const float* products,
                   int tiles) {
  const Shape& s = job.shape;
  const int F = s.filters;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  const bool keep = job.gates != nullptr;
  const float* cell_before = t == 0 ? job.cell : job.cells + (keep ? t - 1 : (t - 1) % 2) * plane * F;
  float* cell_after = job.cells + (keep ? t : t % 2) * plane * F;
  float* hidden_after = job.hiddens + t * plane * F;
  for (int tile = first; tile < last; ++tile) {
    int image, y0, x0;
    tiling.locate(tile, image, y0, x0);
    for (int part = 0; part < size; part += kLanes) {
      const int f = group * size + part, n = smaller(kLanes, F - f);
      if (n <= 0) break;
      vec z[4][M][M], bias[4];
      for (int gate = 0; gate < 4; ++gate) {
        inverse_transform<M, 4 * size>(products, tiles, tile - first, gate * size + part, z[gate]);
        bias[gate] = load(job.bias + gate * F + f, n);
      }
      for (int i = 0; i < M && y0 + i < s.height; ++i)
        for (int j = 0; j < M && x0 + j < s.width; ++j) {
          const size_t pixel = (static_cast<size_t>(image) * s.height + y0 + i) * s.width + x0 + j;
          const vec input = sigmoid(z[0][i][j] + bias[0]), forget = sigmoid(z[1][i][j] + bias[1]);
          const vec output = sigmoid(z[2][i][j] + bias[2]), update = hyperbolic_tangent(z[3][i][j] + bias[3]);
          const vec cell = forget * load(cell_before + pixel * F + f, n) + input * update;
          store(cell_after + pixel * F + f, cell, n);
          store(hidden_after + pixel * F + f, output * hyperbolic_tangent(cell), n);
          if (keep) {
            float* gates = job.gates + (t * plane + pixel) * 4 * F + f;
            store(gates, input, n);
            store(gates + F, forget, n);
            store(gates + 2 * F, output, n);
            store(gates + 3 * F, update, n);
          }
        }
    }
  }
}

template <int M, int size>
void forward_all(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  const Shape& s = job.shape;
  const int C = s.channels, F = s.filters, depth = C + F, groups = (F + size - 1) / size;
  const Tiling<M> tiling(s);
  const int tiles = block_tiles(depth), count = tiling.count(s.batch), blocks = (count + tiles - 1) / tiles;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  float *V = scratch, *products = scratch + static_cast<size_t>(kPoints) * tiles * depth;
  for (int t = 0; t < s.steps; ++t) {
    for (int block = share(blocks, id, threads); block < share(blocks, id + 1, threads); ++block) {
      const int first = block * tiles, last = smaller(count, first + tiles);
      transform_input<M>(job.frames + t * plane * C, C, tiling, first, last, V, tiles, depth, 0, depth);
      const float* hidden_before = t == 0 ? job.hidden : job.hiddens + (t - 1) * plane * F;
      transform_input<M>(hidden_before, F, tiling, first, last, V, tiles, depth, C, depth);
      for (int group = 0; group < groups; ++group) {
        const float* U = job.packed + static_cast<size_t>(group) * kPoints * depth * 4 * size;
        multiply<4 * size>(V, tiles, last - first, depth, U, products);
        forward_group<M, size>(job, tiling, t, group, first, last, products, tiles);
      }
    }
    barrier.wait();
  }
}

template <int M>
void forward(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  if (group_size(job.shape.filters) == 8)
    forward_all<M, 8>(job, id, threads, barrier, scratch);
  else
    forward_all<M, kLargeGroup>(job, id, threads, barrier, scratch);
}

// ---- backward

// Gradient by the gates before their activation at step t, and by the cell state before it, for some pixels.
void gate_gradient(const BackwardJob& job, int t, size_t first, size_t last) {
  const Shape& s = job.shape;
  const int F = s.filters;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  const float *cell_before = t == 0 ? job.cell : job.cells + (t - 1) * plane * F, *cell_after = job.cells + t * plane * F;
  for (size_t pixel = first; pixel < last; ++pixel)
    for (int f = 0; f < F; f += kLanes) {
      const int n = smaller(kLanes, F - f);
      const size_t here = pixel * F + f;
      const float* gates = job.gates + (t * plane + pixel) * 4 * F + f;
      float* slopes = job.slopes + (t * plane + pixel) * 4 * F + f;
      const vec input = load(gates, n), forget = load(gates + F, n), output = load(gates + 2 * F, n), update = load(gates + 3 * F, n);
      const vec squashed = hyperbolic_tangent(load(cell_after + here, n));
      const vec hidden = load(job.grad_hiddens + t * plane * F + here, n) + load(job.grad_hidden + here, n);
      const vec cell = load(job.grad_cell + here, n) + hidden * output * (1.f - squashed * squashed);
      store(slopes, cell * update * input * (1.f - input), n);
      store(slopes + F, cell * load(cell_before + here, n) * forget * (1.f - forget), n);
      store(slopes + 2 * F, hidden * squashed * output * (1.f - output), n);
      store(slopes + 3 * F, cell * input * (1.f - update * update), n);
      store(job.grad_cell + here, cell * forget, n);
    }
}

// Inverse transform of a group of backward columns into the gradients by the hidden state and by the frames.
template <int M, int width>
void backward_group(const BackwardJob& job, const Tiling<M>& tiling, int t, int column0, int used, int first, int last,
                    const float* products, int tiles) {
  const Shape& s = job.shape;
  const int C = s.channels, F = s.filters;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  for (int tile = first; tile < last; ++tile) {
    int image, y0, x0;
    tiling.locate(tile, image, y0, x0);
    for (int part = 0; part < width && column0 + part < used; part += kLanes) {
      const int column = column0 + part, hidden = smaller(kLanes, F - column), n = smaller(kLanes, used - column);
      vec y[M][M];
      inverse_transform<M, width>(products, tiles, tile - first, part, y);
      for (int i = 0; i < M && y0 + i < s.height; ++i)
        for (int j = 0; j < M && x0 + j < s.width; ++j) {
          const size_t pixel = (static_cast<size_t>(image) * s.height + y0 + i) * s.width + x0 + j;
          if (hidden > 0) store(job.grad_hidden + pixel * F + column, y[i][j], hidden);
          for (int lane = larger(0, hidden); lane < n; ++lane)
            job.grad_frames[(t * plane + pixel) * C + column + lane - F] = y[i][j][lane];
        }
    }
  }
}

template <int M>
void backward(const BackwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  const Shape& s = job.shape;
  const int depth = 4 * s.filters;
  const BackwardColumns columns(s, job.grad_frames != nullptr);
  const Tiling<M> tiling(s);
  const int tiles = block_tiles(depth), count = tiling.count(s.batch), blocks = (count + tiles - 1) / tiles;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  float *V = scratch, *products = scratch + static_cast<size_t>(kPoints) * tiles * depth;
  for (int t = s.steps - 1; t >= 0; --t) {
    gate_gradient(job, t, plane * id / threads, plane * (id + 1) / threads);
    if (t == 0 && !job.wants_initial && job.grad_frames == nullptr) break;
    barrier.wait();
    for (int block = share(blocks, id, threads); block < share(blocks, id + 1, threads); ++block) {
      const int first = block * tiles, last = smaller(count, first + tiles);
      transform_input<M>(job.slopes + t * plane * depth, depth, tiling, first, last, V, tiles, depth, 0, depth);
      const float* U = job.packed;
      for (int group = 0; group < columns.groups; ++group, U += static_cast<size_t>(kPoints) * depth * columns.main) {
        const int column = group * columns.main;
        if (columns.main == 64) {
          if constexpr (kWide == 16) {
            multiply<64>(V, tiles, last - first, depth, U, products);
            backward_group<M, 64>(job, tiling, t, column, columns.used, first, last, products, tiles);
          }
        } else {
          multiply<32>(V, tiles, last - first, depth, U, products);
          backward_group<M, 32>(job, tiling, t, column, columns.used, first, last, products, tiles);
        }
      }
      if (columns.tail > 0) {
        multiply<16>(V, tiles, last - first, depth, U, products);
        backward_group<M, 16>(job, tiling, t, columns.groups * columns.main, columns.used, first, last, products, tiles);
      }
    }
    barrier.wait();
  }
}

// ---- weight gradients: S[36][gates / kColumns][rows][kColumns] += V' D, over the tiles of all frames of all steps

constexpr int kRows = kLanes, kColumns = 2 * kWide, kGradientTiles = 48;

struct GradientLayout {
  int hidden, rows, columns;
  size_t inputs, gradients, sums;
  explicit GradientLayout(const Shape& s) {
    hidden = round_up(s.filters, kLanes);
    rows = hidden + round_up(s.channels, kLanes);
    columns = round_up(4 * s.filters, kColumns);
    inputs = static_cast<size_t>(kPoints) * kGradientTiles * rows;
    gradients = static_cast<size_t>(kPoints) * kGradientTiles * columns;
    sums = static_cast<size_t>(kPoints) * rows * columns;
  }
};

inline void accumulate_block(const float* __restrict V, const float* __restrict D, int tiles, float* __restrict out) {
  constexpr int registers = kColumns / kWide;
  wide sum[kRows][registers];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) sum[r][v] = *reinterpret_cast<wide*>(out + r * kColumns + v * kWide);
  for (int tile = 0; tile < tiles; ++tile) {
    wide d[registers];
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) d[v] = *reinterpret_cast<const wide*>(D + tile * kColumns + v * kWide);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const float a = V[tile * kRows + r];
#pragma GCC unroll 4
      for (int v = 0; v < registers; ++v) sum[r][v] += a * d[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) *reinterpret_cast<wide*>(out + r * kColumns + v * kWide) = sum[r][v];
}

template <int M>
void sum_weight_gradient(const BackwardJob& job, int id, int threads, float* scratch) {
  const Shape& s = job.shape;
  const GradientLayout layout(s);
  const Tiling<M> tiling(s);
  const int count = tiling.count(s.batch * s.steps), blocks = (count + kGradientTiles - 1) / kGradientTiles;
  float *sums = scratch, *bias = sums + layout.sums, *V = bias + layout.columns, *D = V + layout.inputs;
  std::memset(scratch, 0, sizeof(float) * (layout.sums + layout.columns + layout.inputs + layout.gradients));
  for (int block = share(blocks, id, threads); block < share(blocks, id + 1, threads); ++block) {
    const int first = block * kGradientTiles, last = smaller(count, first + kGradientTiles);
    // The state before step t is the initial one for t = 0, else what step t - 1 left.
    const int initial = larger(first, smaller(last, tiling.count(s.batch)));
    transform_input<M>(job.hidden, s.filters, tiling, first, initial, V, kGradientTiles, layout.rows, 0, kRows);
    transform_input<M>(job.hiddens, s.filters, tiling, initial, last, V, kGradientTiles, layout.rows, 0, kRows, s.batch,
                       initial - first);
    transform_input<M>(job.frames, s.channels, tiling, first, last, V, kGradientTiles, layout.rows, layout.hidden, kRows);
    transform_gradient<M>(job.slopes, 4 * s.filters, tiling, first, last, D, kGradientTiles, layout.columns, kColumns, bias);
    for (int point = 0; point < kPoints; ++point)
      for (int column = 0; column < layout.columns; column += kColumns)
        for (int row = 0; row < layout.rows; row += kRows)
          accumulate_block(V + (static_cast<size_t>(point) * layout.rows + row) * kGradientTiles,
                           D + (static_cast<size_t>(point) * layout.columns + column) * kGradientTiles, last - first,
                           sums + (static_cast<size_t>(point) * layout.columns + column) * layout.rows + row * kColumns);
  }
}

template <int R>
void finish_weight_gradient(const BackwardJob& job, int id, int threads, float* const* scratches) {
  const Shape& s = job.shape;
  const int C = s.channels, F = s.filters, gates = 4 * F;
  const GradientLayout layout(s);
  for (int k = share(C + F, id, threads); k < share(C + F, id + 1, threads); ++k)
    for (int gate = 0; gate < gates; gate += kLanes) {
      const int row = k < C ? layout.hidden + k : k - C, n = smaller(kLanes, gates - gate);
      vec u[6][6] = {}, w[6][R], g[R][R];
      for (int point = 0; point < kPoints; ++point)
        for (int thread = 0; thread < threads; ++thread)
          u[point / 6][point % 6] +=
              load(scratches[thread] + (static_cast<size_t>(point) * layout.columns + gate / kColumns * kColumns) * layout.rows +
                   row * kColumns + gate % kColumns);
      for (int i = 0; i < 6; ++i) transform_kernel_gradient_row<R>(u[i], w[i]);
      for (int j = 0; j < R; ++j) {
        vec in[6], result[R];
        for (int i = 0; i < 6; ++i) in[i] = w[i][j];
        transform_kernel_gradient_row<R>(in, result);
        for (int i = 0; i < R; ++i) g[i][j] = result[i];
      }
      for (int lane = 0; lane < n; ++lane) {
        float* out = k < C ? job.grad_weight_x + (static_cast<size_t>(gate + lane) * C + k) * R * R
                           : job.grad_weight_h + (static_cast<size_t>(gate + lane) * F + k - C) * R * R;
        for (int i = 0; i < R * R; ++i) out[i] = g[i / R][i % R][lane];
      }
    }
  if (id == 0)
    for (int gate = 0; gate < gates; ++gate) {
      float sum = 0;
      for (int thread = 0; thread < threads; ++thread) sum += scratches[thread][layout.sums + gate];
      job.grad_bias[gate] = sum;
    }
}

// ---- the table

size_t packed_forward_floats(const Shape& s) {
  return static_cast<size_t>(kPoints) * (s.channels + s.filters) * 4 * round_up(s.filters, group_size(s.filters));
}

size_t packed_backward_floats(const Shape& s, bool frames) {
  return static_cast<size_t>(kPoints) * 4 * s.filters * BackwardColumns(s, frames).total();
}

size_t scratch_floats(const Shape& s) {
  const GradientLayout layout(s);
  size_t most = layout.sums + layout.columns + layout.inputs + layout.gradients;
  const int depths[2] = {s.channels + s.filters, 4 * s.filters};
  for (const int depth : depths) {
    const size_t needed = static_cast<size_t>(kPoints) * block_tiles(depth) * (depth + 64);
    most = needed > most ? needed : most;
  }
  return most;
}

// The kernel's size chooses the instance: 3x3 has outputs of 4x4, 5x5 of 2x2.
void pack_forward_any(const ForwardJob& job, int id, int threads) {
  job.shape.kernel == 3 ? pack_forward<3>(job, id, threads) : pack_forward<5>(job, id, threads);
}
void forward_any(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  job.shape.kernel == 3 ? forward<4>(job, id, threads, barrier, scratch) : forward<2>(job, id, threads, barrier, scratch);
}
void pack_backward_any(const BackwardJob& job, int id, int threads) {
  job.shape.kernel == 3 ? pack_backward<3>(job, id, threads) : pack_backward<5>(job, id, threads);
}
void backward_any(const BackwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  job.shape.kernel == 3 ? backward<4>(job, id, threads, barrier, scratch) : backward<2>(job, id, threads, barrier, scratch);
}
void sum_weight_gradient_any(const BackwardJob& job, int id, int threads, float* scratch) {
  job.shape.kernel == 3 ? sum_weight_gradient<4>(job, id, threads, scratch) : sum_weight_gradient<2>(job, id, threads, scratch);
}
void finish_weight_gradient_any(const BackwardJob& job, int id, int threads, float* const* scratches) {
  job.shape.kernel == 3 ? finish_weight_gradient<3>(job, id, threads, scratches)
                        : finish_weight_gradient<5>(job, id, threads, scratches);
}

}  // namespace

#define NAME_OF(x) #x
#define NAME(x) NAME_OF(x)
extern const Kernels KERNELS = {NAME(INSTRUCTION_SET),
                                packed_forward_floats,
                                packed_backward_floats,
                                scratch_floats,
                                pack_forward_any,
                                forward_any,
                                pack_backward_any,
                                backward_any,
                                sum_weight_gradient_any,
                                finish_weight_gradient_any};

}  // namespace nextframe
