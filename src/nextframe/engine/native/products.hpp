// The matrix products at a point: a block of the result stays in registers while the sum runs.
#pragma once

#include <cstddef>

#include "engine.hpp"
#include "winograd.hpp"

namespace nextframe {
namespace {

constexpr int kWide = REGISTER_FLOATS;
typedef float wide __attribute__((vector_size(4 * kWide), aligned(4), may_alias));

inline wide load_wide(const float* p) { return *reinterpret_cast<const wide*>(p); }
inline void store_wide(float* p, wide v) { *reinterpret_cast<wide*>(p) = v; }

// Rows of a register block, for so many columns: enough accumulators to hide the latency, few enough for the registers.
constexpr int rows_for(int columns) { return kWide == 16 ? (columns == 64 ? 6 : 12) : (columns == 16 ? 6 : 3); }
constexpr int kRowStep = 12;  // a multiple of every rows_for

// A factor that lies as [depth / block][tiles][block], of which `depth` count.
struct Factor {
  const float* values;
  int depth;
};

// out[rows][columns] = sum over the factors, side by side, of V[rows][depth] U[depth][columns].
template <int rows, int columns, int block, int factors>
INLINE void multiply_rows(const Factor* V, int tiles, const float* __restrict U, float* __restrict out, int stride) {
  constexpr int registers = columns / kWide;
  wide sum[rows][registers];
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) sum[r][v] = wide{};
  const auto step = [&](const float* a, const float* u) ALWAYS_INLINE {
    wide b[registers];
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) b[v] = load_wide(u + v * kWide);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const float value = a[r * block];
#pragma GCC unroll 8
      for (int v = 0; v < registers; ++v) sum[r][v] += value * b[v];
    }
  };
#pragma GCC unroll 2
  for (int n = 0; n < factors; ++n) {
    const float* __restrict a = V[n].values;
    int depth = V[n].depth;
    for (; depth >= block; depth -= block, a += static_cast<size_t>(tiles) * block, U += block * columns)
#pragma GCC unroll 8
      for (int k = 0; k < block; ++k) step(a + k, U + k * columns);
    for (int k = 0; k < depth; ++k, U += columns) step(a + k, U);
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < registers; ++v) store_wide(out + r * stride + v * kWide, sum[r][v]);
}

// The same for all tiles in use, the last ones in a smaller block of registers. Up to three results past them are
// meaningless, and there is room for these.
template <int columns, int block, int factors>
void multiply(const Factor (&V)[factors], int tiles, int used, const float* U, float* out, int stride) {
  constexpr int rows = rows_for(columns);
  constexpr int few = rows == 12 ? 4 : 3;
  for (int r = 0; r < used;) {
    Factor here[factors];
    for (int n = 0; n < factors; ++n) here[n] = {V[n].values + r * block, V[n].depth};
    float* to = out + static_cast<size_t>(r) * stride;
    const int left = used - r;
    if (rows == 12 && left > 4 && left <= 8) {
      multiply_rows<8, columns, block, factors>(here, tiles, U, to, stride);
      r += 8;
    } else if (left <= few) {
      multiply_rows<few, columns, block, factors>(here, tiles, U, to, stride);
      r += few;
    } else {
      multiply_rows<rows, columns, block, factors>(here, tiles, U, to, stride);
      r += rows;
    }
  }
}

// out[rows][columns] += V[tiles][8]' D[tiles][..]: a block of the weights' gradient. `rows` of the eight count.
template <int rows, int columns>
INLINE void accumulate(const float* __restrict V, const float* __restrict D, int stride, int tiles,
                       float* __restrict out, int out_stride) {
  constexpr int registers = columns / kWide;
  wide sum[rows][registers];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) sum[r][v] = load_wide(out + r * out_stride + v * kWide);
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)  // the next block's sums are on their way while this one's are computed
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) __builtin_prefetch(out + (rows + r) * out_stride + v * kWide, 1);
  for (int tile = 0; tile < tiles; ++tile) {
    wide d[registers];
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) d[v] = load_wide(D + static_cast<size_t>(tile) * stride + v * kWide);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const float value = V[tile * kLanes + r];
#pragma GCC unroll 4
      for (int v = 0; v < registers; ++v) sum[r][v] += value * d[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < registers; ++v) store_wide(out + r * out_stride + v * kWide, sum[r][v]);
}

}  // namespace
}  // namespace nextframe
