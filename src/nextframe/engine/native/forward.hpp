// The ConvLSTM over all time steps. For a block of tiles and a group of filters the transformed inputs, the products
// and the outputs stay in the second-level cache: transform, 36 small matrix products, inverse transform, gates,
// states.
#pragma once

#include "products.hpp"
#include "tiles.hpp"

namespace nextframe {
namespace {

// Filters of a group, chosen so that its four gates fill whole registers without waste where that is possible.
constexpr int kLargeGroup = kWide == 16 ? 16 : 8;
inline int group_size(int filters) { return filters % kLargeGroup == 0 ? kLargeGroup : 8; }

// Tiles of a block: few enough that its transformed inputs, its products and the weights of a point share the
// second-level cache. Measured: 12 tiles of 80 channels are faster than 24, and those than 60.
constexpr int kForwardFloats = 60000;
inline int forward_tiles(int rows) {
  return larger(kRowStep, smaller(96, kForwardFloats / (kPoints * rows * kLanes)) / kRowStep * kRowStep);
}

inline int parts_of(int channels) { return (channels + kLanes - 1) / kLanes; }

size_t packed_forward_floats(const Shape& s) {
  return static_cast<size_t>(kPoints) * (s.channels + s.filters) * 4 * round_up(s.filters, group_size(s.filters));
}

// Activated gates as [T][tiles][filters / 8][M * M pixels][4 gates][8]: the backward pass reads them in this order.
size_t gates_floats(const Shape& s) {
  const int M = 7 - s.kernel, tiles = s.batch * ((s.height + M - 1) / M) * ((s.width + M - 1) / M);
  return static_cast<size_t>(s.steps) * tiles * parts_of(s.filters) * M * M * 4 * kLanes;
}

size_t forward_scratch(const Shape& s) {
  const int rows = parts_of(s.filters) + parts_of(s.channels), tiles = forward_tiles(rows);
  return static_cast<size_t>(kPoints) * tiles * (rows * kLanes + 4 * group_size(s.filters));
}

// Transform the kernels that `weight(lane)` points to (null: zeros), and put them into one row of eight columns.
template <int R, typename Weight>
inline void pack_row(Weight weight, float* out, size_t stride) {
  vec g[R][R] = {}, u[R][6];
  for (int lane = 0; lane < kLanes; ++lane)
    if (const float* w = weight(lane))
      for (int i = 0; i < R * R; ++i) g[i / R][i % R][lane] = w[i];
  for (int i = 0; i < R; ++i) transform_kernel_row<R>(g[i], u[i]);
  for (int j = 0; j < 6; ++j) {
    vec in[R], result[6];
    for (int i = 0; i < R; ++i) in[i] = u[i][j];
    transform_kernel_row<R>(in, result);
    for (int i = 0; i < 6; ++i) store(out + static_cast<size_t>(i * 6 + j) * stride, result[i]);
  }
}

// The kernel from input `k`, of which the hidden state's come first, to gate number `gate` of filter `f`.
template <int R>
inline const float* kernel_of(const Shape& s, const float* weight_x, const float* weight_h, int k, int gate, int f) {
  const size_t out = static_cast<size_t>(gate) * s.filters + f;
  return k < s.filters ? weight_h + (out * s.filters + k) * R * R
                       : weight_x + (out * s.channels + k - s.filters) * R * R;
}

// The weights as U[group][36][F + C][4 gates][filters of the group].
template <int R>
void pack_forward(const ForwardJob& job, int id, int threads) {
  const Shape& s = job.shape;
  const int depth = s.filters + s.channels, size = group_size(s.filters), columns = 4 * size;
  const int groups = (s.filters + size - 1) / size;
  for (int row = share(groups * depth, id, threads); row < share(groups * depth, id + 1, threads); ++row) {
    const int group = row / depth, k = row % depth;
    float* out = job.packed + (static_cast<size_t>(group) * kPoints * depth + k) * columns;
    for (int column = 0; column < columns; column += kLanes) {
      const int gate = column / size, from = group * size + column % size;
      const auto weight = [&](int lane) {
        const int f = from + lane;
        return f < s.filters ? kernel_of<R>(s, job.weight_x, job.weight_h, k, gate, f) : nullptr;
      };
      pack_row<R>(weight, out + column, static_cast<size_t>(depth) * columns);
    }
  }
}

// Eight filters of a tile, from the points of their gates to what the step leaves.
template <int M, bool whole>
INLINE void finish_tile(const vec z[4][M][M], const vec bias[4], int rows, int columns, int n, int filters,
                        ptrdiff_t line, const float* cell_before, float* cell_after, float* hidden, float* gates) {
  for (int i = 0; i < (whole ? M : rows); ++i)
    for (int j = 0; j < (whole ? M : columns); ++j) {
      const ptrdiff_t at = i * line + static_cast<ptrdiff_t>(j) * filters;
      const vec input = sigmoid(z[0][i][j] + bias[0]), forget = sigmoid(z[1][i][j] + bias[1]);
      const vec output = sigmoid(z[2][i][j] + bias[2]), update = hyperbolic_tangent(z[3][i][j] + bias[3]);
      const vec cell = forget * (whole ? load(cell_before + at) : load(cell_before + at, n)) + input * update;
      const vec state = output * hyperbolic_tangent(cell);
      if (whole) {
        store(cell_after + at, cell);
        store(hidden + at, state);
      } else {
        store(cell_after + at, cell, n);
        store(hidden + at, state, n);
      }
      if (gates != nullptr) {
        float* kept = gates + (i * M + j) * 4 * kLanes;
        stream(kept, input);
        stream(kept + kLanes, forget);
        stream(kept + 2 * kLanes, output);
        stream(kept + 3 * kLanes, update);
      }
    }
}

template <int M, int size>
void forward_group(const ForwardJob& job, const Tiling<M>& tiling, int t, int group, int first, int last,
                   const float* products, int tiles) {
  const Shape& s = job.shape;
  const int F = s.filters, parts = parts_of(F);
  constexpr int columns = 4 * size;
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width * F,
               stride = static_cast<size_t>(tiles) * columns;
  const bool keep = job.gates != nullptr;
  const float* cell_before = t == 0 ? job.cell : job.cells + (keep ? t - 1 : (t - 1) % 2) * plane;
  float* cell_after = job.cells + (keep ? t : t % 2) * plane;
  float* hidden = job.hiddens + t * plane;
  for (int tile = first; tile < last; ++tile) {
    const Place<M> at(tiling, tile);
    const bool inside = at.outputs_inside(tiling);
    for (int part = 0; part < size; part += kLanes) {
      const int f = group * size + part, n = smaller(kLanes, F - f);
      if (n <= 0) break;
      const size_t here = at.pixel(tiling) * F + f;
      const int rows = smaller(M, s.height - at.y), cols = smaller(M, s.width - at.x);
      const ptrdiff_t line = static_cast<ptrdiff_t>(s.width) * F;
      vec z[4][M][M], bias[4];
      for (int gate = 0; gate < 4; ++gate) {
        points_to_output<M>(products + static_cast<size_t>(tile - first) * columns + gate * size + part, stride,
                            z[gate]);
        bias[gate] = load(job.bias + gate * F + f, n);
      }
      const size_t chunk = (static_cast<size_t>(t) * tiling.count(s.batch) + tile) * parts + f / kLanes;
      float* gates = keep ? job.gates + chunk * M * M * 4 * kLanes : nullptr;
      if (inside && n == kLanes)
        finish_tile<M, true>(z, bias, M, M, n, F, line, cell_before + here, cell_after + here, hidden + here, gates);
      else
        finish_tile<M, false>(z, bias, rows, cols, n, F, line, cell_before + here, cell_after + here, hidden + here,
                              gates);
    }
  }
}

template <int M, int size>
void forward_all(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  const Shape& s = job.shape;
  const int C = s.channels, F = s.filters, depth = C + F, groups = (F + size - 1) / size;
  const int hidden_rows = parts_of(F), rows = hidden_rows + parts_of(C), tiles = forward_tiles(rows);
  const Tiling<M> tiling(s);
  const int count = tiling.count(s.batch), end = share(count, id + 1, threads);
  const size_t plane = static_cast<size_t>(s.batch) * s.height * s.width;
  const size_t point_floats = static_cast<size_t>(rows) * tiles * kLanes;
  float *V = scratch, *products = scratch + kPoints * point_floats;
  for (int t = 0; t < s.steps; ++t) {
    for (int first = share(count, id, threads); first < end; first += tiles) {
      const int last = smaller(end, first + tiles);
      transform_input<M>(t == 0 ? job.hidden : job.hiddens + (t - 1) * plane * F, F, tiling, first, last, V, tiles,
                         rows, 0);
      transform_input<M>(job.frames + t * plane * C, C, tiling, first, last, V, tiles, rows, hidden_rows);
      for (int group = 0; group < groups; ++group) {
        const float* U = job.packed + static_cast<size_t>(group) * kPoints * depth * 4 * size;
        for (int point = 0; point < kPoints; ++point) {
          const float* hidden = V + point * point_floats;
          const Factor factors[2] = {{hidden, F}, {hidden + static_cast<size_t>(hidden_rows) * tiles * kLanes, C}};
          multiply<4 * size, kLanes>(factors, tiles, last - first, U + static_cast<size_t>(point) * depth * 4 * size,
                                     products + static_cast<size_t>(point) * tiles * 4 * size, 4 * size);
        }
        forward_group<M, size>(job, tiling, t, group, first, last, products, tiles);
      }
    }
    barrier.wait();
  }
  finish_streams();
}

template <int M>
void forward(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  if (group_size(job.shape.filters) == 8)
    forward_all<M, 8>(job, id, threads, barrier, scratch);
  else
    forward_all<M, kLargeGroup>(job, id, threads, barrier, scratch);
}

}  // namespace
}  // namespace nextframe
