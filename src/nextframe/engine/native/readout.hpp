// The stack's readout: a 3-D convolution of 3x3x3 with few outputs, on features (T, B, H, W, F).
//
// A pixel's features meet all 27 taps of an output in one small matrix product, whose results are then added to the
// pixels that they belong to; the gradients go the same way back. So features are read once, and nothing of theirs is
// copied.
#pragma once

#include <cstring>

#include "products.hpp"
#include "tiles.hpp"

namespace nextframe {
namespace {

constexpr int kTaps = 27;          // number (dt * 3 + dy) * 3 + dx
constexpr int kPixelBlock = 2048;  // pixels that go together: their products stay in the second-level cache

// A register of so many floats that may lie anywhere: as a template's argument, a type would lose its attributes.
template <int lanes>
struct Register;
template <>
struct Register<8> {
  typedef float type __attribute__((vector_size(32), aligned(4), may_alias));
};
template <>
struct Register<16> {
  typedef float type __attribute__((vector_size(64), aligned(4), may_alias));
};

// out[rows][registers] = sum over depth of a[rows][depth] W[depth][..].
template <int lanes, int rows, int registers>
INLINE void multiply_pixels(const float* __restrict a, int stride, int depth, const float* __restrict W, int line,
                            typename Register<lanes>::type sum[rows][registers]) {
  using V = typename Register<lanes>::type;
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) sum[r][v] = V{};
  for (int k = 0; k < depth; ++k, W += line) {
    V w[registers];
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) w[v] = *reinterpret_cast<const V*>(W + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const float value = a[static_cast<size_t>(r) * stride + k];
#pragma GCC unroll 4
      for (int v = 0; v < registers; ++v) sum[r][v] += value * w[v];
    }
  }
}

// out[count][32] and out[count][n <= 8] of the same product, for any number of pixels.
inline void multiply_32(const float* a, int stride, int depth, const float* W, int line, float* out, int out_stride,
                        int count) {
  constexpr int rows = rows_for(32), registers = 32 / kWide;
  int r = 0;
  const auto write = [&](const Register<kWide>::type* sum, int row) {
    for (int v = 0; v < registers; ++v) store_wide(out + static_cast<size_t>(row) * out_stride + v * kWide, sum[v]);
  };
  for (; r + rows <= count; r += rows) {
    Register<kWide>::type sum[rows][registers];
    multiply_pixels<kWide, rows, registers>(a + static_cast<size_t>(r) * stride, stride, depth, W, line, sum);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) write(sum[i], r + i);
  }
  for (; r < count; ++r) {
    Register<kWide>::type sum[1][registers];
    multiply_pixels<kWide, 1, registers>(a + static_cast<size_t>(r) * stride, stride, depth, W, line, sum);
    write(sum[0], r);
  }
}
inline void multiply_8(const float* a, int stride, int depth, const float* W, int line, float* out, int out_stride,
                       int count, int n) {
  constexpr int rows = 12;
  int r = 0;
  for (; r + rows <= count; r += rows) {
    Register<kLanes>::type sum[rows][1];
    multiply_pixels<kLanes, rows, 1>(a + static_cast<size_t>(r) * stride, stride, depth, W, line, sum);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) store(out + static_cast<size_t>(r + i) * out_stride, sum[i][0], n);
  }
  for (; r < count; ++r) {
    Register<kLanes>::type sum[1][1];
    multiply_pixels<kLanes, 1, 1>(a + static_cast<size_t>(r) * stride, stride, depth, W, line, sum);
    store(out + static_cast<size_t>(r) * out_stride, sum[0][0], n);
  }
}

// sums[9][registers] += G[pixels][9]' X[pixels][..]: nine taps, a block of features. `read` loads a pixel's register v.
template <int lanes, int registers, typename Read>
INLINE void accumulate_pixels(const float* __restrict G, int taps, int count, Read read, float* __restrict sums,
                              int line) {
  using V = typename Register<lanes>::type;
  constexpr int rows = 9;
  V sum[rows][registers];
#pragma GCC unroll 9
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < registers; ++v) sum[r][v] = *reinterpret_cast<const V*>(sums + r * line + v * lanes);
  for (int pixel = 0; pixel < count; ++pixel, G += taps) {
    V x[registers];
#pragma GCC unroll 2
    for (int v = 0; v < registers; ++v) x[v] = read(pixel, v);
#pragma GCC unroll 9
    for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
      for (int v = 0; v < registers; ++v) sum[r][v] += G[r] * x[v];
  }
#pragma GCC unroll 9
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < registers; ++v) *reinterpret_cast<V*>(sums + r * line + v * lanes) = sum[r][v];
}

// Where things are, and which rows a thread has.
struct ReadoutLayout {
  const ReadoutShape& s;
  int taps, columns, features;  // 27 taps an output; these rounded up to 32; filters rounded up to 32
  int rows;                     // image rows that go together
  explicit ReadoutLayout(const ReadoutShape& shape) : s(shape) {
    taps = kTaps * s.channels;
    columns = round_up(taps, 32);
    features = round_up(s.filters, 32);
    rows = larger(1, smaller(s.height, kPixelBlock / s.width));
  }
  size_t plane() const { return static_cast<size_t>(s.batch) * s.height * s.width; }
  int first_frame() const { return s.recent ? -2 : 0; }
  const float* frame(const ReadoutJob& job, int n) const {
    return n < 0 ? job.recent + (n + 2) * plane() * s.filters : job.features + n * plane() * s.filters;
  }
  // The output that frame n reaches through its tap dt, or -1.
  int output_of(int n, int dt) const {
    const int t = n - dt + 2 - s.shift;
    return t >= 0 && t < s.steps ? t : -1;
  }
  float* output(float* outputs, int t, int image, int channel) const {
    return outputs + ((static_cast<size_t>(t) * s.batch + image) * s.channels + channel) * s.height * s.width;
  }
  // Calls work(image, first row, row after the last) for each block of a thread's rows.
  template <typename Work>
  void blocks(int id, int threads, Work work) const {
    const int end = share(s.batch * s.height, id + 1, threads);
    for (int row = share(s.batch * s.height, id, threads); row < end;) {
      const int image = row / s.height, y = row % s.height, last = smaller(smaller(s.height, y + rows), y + end - row);
      work(image, y, last);
      row += last - y;
    }
  }
};

size_t readout_scratch(const ReadoutShape& s) {
  const ReadoutLayout layout(s);
  return static_cast<size_t>(larger(layout.taps, s.filters)) * larger(layout.features, layout.columns) +
         static_cast<size_t>(layout.rows + 2) * s.width * layout.columns;
}

// Weights (filters, columns) of the taps that a frame reaches outputs through: all of them, or, where some outputs are
// not asked for, those of the others alone, in `room`. Of a movie that goes on frame by frame that is a third.
struct ReadoutTaps {
  const float* weight;
  int columns, line;  // that count; and from one row to the next
  int first;          // dt of the first of them, where they stand by dt and then by channel; or -1
  ReadoutTaps(const ReadoutJob& job, const ReadoutLayout& layout, int n, float* room) {
    const ReadoutShape& s = job.shape;
    int last = -1;
    first = 3;
    for (int dt = 0; dt < 3; ++dt)
      if (layout.output_of(n, dt) >= 0) {
        first = smaller(first, dt);
        last = dt;
      }
    const int few = last < 0 ? 0 : (last - first + 1) * s.channels * 9;
    if (few == layout.taps) {
      weight = job.weight;
      columns = line = layout.columns;
      first = -1;
      return;
    }
    weight = room;
    columns = line = round_up(few, kLanes);
    for (int f = 0; f < s.filters; ++f) {
      float* row = room + static_cast<size_t>(f) * line;
      for (int dt = first; dt <= last; ++dt)
        for (int c = 0; c < s.channels; ++c, row += 9)
          std::memcpy(row, job.weight + static_cast<size_t>(f) * layout.columns + c * kTaps + dt * 9,
                      sizeof(float) * 9);
      std::memset(row, 0, sizeof(float) * (line - few));
    }
  }
  // Column of the first tap of output c through dt.
  int column(int channels, int c, int dt) const {
    return first < 0 ? c * kTaps + dt * 9 : ((dt - first) * channels + c) * 9;
  }
};

void readout_forward(const ReadoutJob& job, int id, int threads, float* scratch) {
  const ReadoutShape& s = job.shape;
  const ReadoutLayout layout(s);
  const int W = s.width, line = layout.columns;
  float *products = scratch, *room = scratch + static_cast<size_t>(layout.rows + 2) * W * line;
  layout.blocks(id, threads, [&](int image, int first, int last) {
    for (int t = 0; t < s.steps; ++t)
      for (int c = 0; c < s.channels; ++c) {
        float* out = layout.output(job.outputs, t, image, c);
        for (int i = first * W; i < last * W; ++i) out[i] = job.bias[c];
      }
    const int from = larger(0, first - 1), to = smaller(s.height, last + 1), count = (to - from) * W;
    for (int n = layout.first_frame(); n < s.steps; ++n) {
      const float* features = layout.frame(job, n) + (static_cast<size_t>(image) * s.height + from) * W * s.filters;
      const ReadoutTaps taps(job, layout, n, room);
      for (int column = 0; column < taps.columns;) {
        const float* weight = taps.weight + column;
        if (taps.columns - column >= 32) {
          multiply_32(features, s.filters, s.filters, weight, taps.line, products + column, line, count);
          column += 32;
        } else {
          multiply_8(features, s.filters, s.filters, weight, taps.line, products + column, line, count, kLanes);
          column += kLanes;
        }
      }
      for (int c = 0; c < s.channels; ++c)
        for (int dt = 0; dt < 3; ++dt) {
          const int t = layout.output_of(n, dt);
          if (t < 0) continue;
          float* plane = layout.output(job.outputs, t, image, c);
          for (int y = from; y < to; ++y)
            for (int dy = 0; dy < 3; ++dy) {
              const int row = y - dy + 1;
              if (row < first || row >= last) continue;
              float* out = plane + row * W;
              const float* here =
                  products + static_cast<size_t>(y - from) * W * line + taps.column(s.channels, c, dt) + dy * 3;
              for (int x = 0; x < W; ++x) out[x] += here[static_cast<size_t>(x) * line + 1];
              for (int x = 1; x < W; ++x) out[x] += here[static_cast<size_t>(x - 1) * line];
              for (int x = 0; x + 1 < W; ++x) out[x] += here[static_cast<size_t>(x + 1) * line + 2];
            }
        }
    }
  });
}

// Leaves the thread's share of the weights' gradient at the start of its scratch memory, [taps][features].
void readout_backward(const ReadoutJob& job, int id, int threads, float* scratch) {
  const ReadoutShape& s = job.shape;
  const ReadoutLayout layout(s);
  const int W = s.width, F = s.filters, taps = layout.taps, line = layout.features;
  float *sums = scratch, *G = scratch + static_cast<size_t>(taps) * line;
  std::memset(sums, 0, sizeof(float) * taps * line);
  layout.blocks(id, threads, [&](int image, int first, int last) {
    const int count = (last - first) * W;
    const size_t here = (static_cast<size_t>(image) * s.height + first) * W * F;
    for (int n = layout.first_frame(); n < s.steps; ++n) {
      for (int c = 0; c < s.channels; ++c)  // G[pixel][tap]: the gradient of the output that the tap leads to
        for (int dt = 0; dt < 3; ++dt) {
          const int t = layout.output_of(n, dt);
          const float* plane = t < 0 ? nullptr : layout.output(const_cast<float*>(job.grad_outputs), t, image, c);
          for (int y = first; y < last; ++y)
            for (int dy = 0; dy < 3; ++dy) {
              const int row = y - dy + 1;
              const float* gradient = plane == nullptr || row < 0 || row >= s.height ? nullptr : plane + row * W;
              float* to = G + static_cast<size_t>(y - first) * W * taps + c * kTaps + (dt * 3 + dy) * 3;
              for (int x = 0; x < W; ++x, to += taps) {
                to[0] = gradient != nullptr && x + 1 < W ? gradient[x + 1] : 0.f;
                to[1] = gradient != nullptr ? gradient[x] : 0.f;
                to[2] = gradient != nullptr && x > 0 ? gradient[x - 1] : 0.f;
              }
            }
        }
      const float* features = layout.frame(job, n) + here;
      float* wanted = n < 0 ? job.grad_recent : job.grad_features;
      float* gradients = wanted == nullptr ? nullptr : wanted + (n < 0 ? n + 2 : n) * layout.plane() * F + here;
      for (int f = 0; f < F;) {
        const bool whole = F - f >= 32;
        if (gradients != nullptr) {
          if (whole)
            multiply_32(G, taps, taps, job.weight + f, line, gradients + f, F, count);
          else
            multiply_8(G, taps, taps, job.weight + f, line, gradients + f, F, count, smaller(kLanes, F - f));
        }
        for (int tap = 0; tap < taps; tap += 9) {
          float* to = sums + static_cast<size_t>(tap) * line + f;
          const float* x = features + f;
          if (kWide == 16 && whole)
            accumulate_pixels<kWide, 32 / kWide>(
                G + tap, taps, count,
                [&](int p, int v) { return load_wide(x + static_cast<size_t>(p) * F + v * kWide); }, to, line);
          else
            for (int part = 0; part < (whole ? 32 : kLanes); part += kLanes) {
              const int n = smaller(kLanes, F - f - part);
              const float* from = x + part;
              if (n == kLanes)
                accumulate_pixels<kLanes, 1>(
                    G + tap, taps, count, [&](int p, int) { return load(from + static_cast<size_t>(p) * F); },
                    to + part, line);
              else
                accumulate_pixels<kLanes, 1>(
                    G + tap, taps, count, [&](int p, int) { return load(from + static_cast<size_t>(p) * F, n); },
                    to + part, line);
            }
        }
        f += whole ? 32 : kLanes;
      }
    }
  });
}

}  // namespace
}  // namespace nextframe
