// Frames cut into tiles, and tiles to and from their 36 points.
//
// Points lie as [36][channels / 8][tiles][8]: a row of tiles for every eight channels. Channels past the last are zero.
#pragma once

#include <cstddef>

#include "engine.hpp"
#include "winograd.hpp"

namespace nextframe {
namespace {

inline int share(int n, int id, int threads) { return static_cast<int>(static_cast<long>(n) * id / threads); }

// Tiles with MxM outputs over frames (images, H, W), row by row; a tile reads `kPad` pixels beyond its outputs on each
// side.
template <int M>
struct Tiling {
  static constexpr int kPad = (kTile - M) / 2;
  int height, width, down, across;
  explicit Tiling(const Shape& s)
      : height(s.height), width(s.width), down((s.height + M - 1) / M), across((s.width + M - 1) / M) {}
  int count(int images) const { return images * down * across; }
};

// A tile's image, and row and column of its first output pixel.
template <int M>
struct Place {
  int image, y, x;
  Place(const Tiling<M>& tiling, int tile) {
    image = tile / (tiling.down * tiling.across);
    const int rest = tile % (tiling.down * tiling.across);
    y = rest / tiling.across * M;
    x = rest % tiling.across * M;
  }
  // Whether all outputs, or all inputs, lie inside the image.
  bool outputs_inside(const Tiling<M>& t) const { return y + M <= t.height && x + M <= t.width; }
  bool inputs_inside(const Tiling<M>& t) const {
    constexpr int pad = Tiling<M>::kPad;
    return y >= pad && x >= pad && y - pad + kTile <= t.height && x - pad + kTile <= t.width;
  }
  ptrdiff_t pixel(const Tiling<M>& t) const { return (static_cast<ptrdiff_t>(image) * t.height + y) * t.width + x; }
};

// 6x6 pixels to 36 points. `pixel(i, j)` gives the eight channels of one pixel.
template <typename Pixel>
INLINE void input_to_points(Pixel pixel, float* out, size_t stride) {
  vec u[6][6];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    vec d[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) d[j] = pixel(i, j);
    transform_input_row(d, u[i]);
  }
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    const vec in[6] = {u[0][j], u[1][j], u[2][j], u[3][j], u[4][j], u[5][j]};
    vec v[6];
    transform_input_row(in, v);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(out + (i * 6 + j) * stride, v[i]);
  }
}

// Tiles [first, last) of `source` (images, H, W, channels) into V, from its row of channels number `row` on.
template <int M>
void transform_input(const float* source, int channels, const Tiling<M>& tiling, int first, int last, float* V,
                     int tiles, int rows, int row) {
  const size_t stride = static_cast<size_t>(rows) * tiles * kLanes;
  const ptrdiff_t line = static_cast<ptrdiff_t>(tiling.width) * channels;
  constexpr int pad = Tiling<M>::kPad;
  for (int tile = first; tile < last; ++tile) {
    const Place<M> at(tiling, tile);
    const float* corner = source + (at.pixel(tiling) - pad * tiling.width - pad) * channels;
    const bool inside = at.inputs_inside(tiling);
    for (int c = 0; c < channels; c += kLanes) {
      float* out = V + (static_cast<size_t>(row + c / kLanes) * tiles + tile - first) * kLanes;
      const float* from = corner + c;
      const int n = channels - c;
      if (inside && n >= kLanes)
        input_to_points([&](int i, int j) { return load(from + i * line + j * channels); }, out, stride);
      else
        input_to_points(
            [&](int i, int j) {
              const int y = at.y - pad + i, x = at.x - pad + j;
              const bool there = y >= 0 && y < tiling.height && x >= 0 && x < tiling.width;
              return there ? load(from + i * line + j * channels, n) : vec{};
            },
            out, stride);
    }
  }
}

// M x M outputs' gradients to 36 points: the adjoint of points_to_output.
template <int M>
INLINE void output_gradient_to_points(const vec z[M][M], float* out, size_t stride) {
  vec u[M][6];
#pragma GCC unroll 4
  for (int i = 0; i < M; ++i) transform_gradient_row<M>(z[i], u[i]);
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    vec in[M], v[6];
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) in[i] = u[i][j];
    transform_gradient_row<M>(in, v);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(out + (i * 6 + j) * stride, v[i]);
  }
}

// 36 points to M x M outputs.
template <int M>
INLINE void points_to_output(const float* points, size_t stride, vec y[M][M]) {
  vec u[6][M];
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    vec m[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) m[j] = load(points + (i * 6 + j) * stride);
    transform_output_row<M>(m, u[i]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < M; ++j) {
    const vec m[6] = {u[0][j], u[1][j], u[2][j], u[3][j], u[4][j], u[5][j]};
    vec result[M];
    transform_output_row<M>(m, result);
#pragma GCC unroll 4
    for (int i = 0; i < M; ++i) y[i][j] = result[i];
  }
}

// 36 points to the gradients of 6x6 inputs: the adjoint of input_to_points. `add(i, j, gradient)` takes them.
template <typename Add>
INLINE void points_to_input_gradient(const float* points, size_t stride, Add add) {
  vec u[6][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    vec m[6], d[6];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) m[i] = load(points + (i * 6 + j) * stride);
    transform_input_gradient_row(m, d);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) u[i][j] = d[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    vec d[6];
    transform_input_gradient_row(u[i], d);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) add(i, j, d[j]);
  }
}

}  // namespace
}  // namespace nextframe
