// The transforms of Winograd's minimal filtering on tiles of 6x6 (Lavin and Gray 2015, arXiv 1509.09308), for the
// points 0, a, -a, b, -b and infinity. With them F(4x4, 3x3) and F(2x2, 5x5) share the input's transform B:
//
//     Y = A' [ (G g G') . (B' d B) ] A        d: 6x6 input, g: RxR kernel, Y: MxM output, M = 7 - R
//
// With the usual a = 1 and b = 2, terms of up to b^3 = 8 times the result cancel, and sums over many channels are six
// to ten times as far from float64 as those of direct float32 convolutions; with 5/8 and 3/2 two to four times, by as
// many operations. The powers of both are exact in a float.
//
// Its adjoint gives the kernel's gradient from the output's gradient dY:  dg = G' [ (B' d B) . (A dY A') ] G.
//
// A vector holds eight neighbouring channels of one pixel. Included by kernels.cpp alone, like all headers with
// kernels.
#pragma once

#include <cstring>
#ifdef __AVX__
#include <immintrin.h>
#endif

namespace {

constexpr int kLanes = 8, kTile = 6, kPoints = kTile * kTile;
typedef float vec __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

constexpr float kA = 0.625f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB, kSum = kA2 + kB2, kProduct = kA2 * kB2;
// What the kernel's transform divides by at the points 0, a and b: products of the differences to the other points.
constexpr double kAt0 = 1. / kProduct, kAtA = 1. / (2. * kA2 * (kA2 - kB2)), kAtB = 1. / (2. * kB2 * (kB2 - kA2));

inline int smaller(int a, int b) { return a < b ? a : b; }
inline int larger(int a, int b) { return a > b ? a : b; }
inline int round_up(int n, int step) { return (n + step - 1) / step * step; }

inline vec load(const float* p) { return *reinterpret_cast<const vec*>(p); }
inline void store(float* p, vec v) { *reinterpret_cast<vec*>(p) = v; }

// The first n channels, the rest zero; and back.
inline vec load(const float* p, int n) {
  if (n >= kLanes) return load(p);
  vec v = {};
  std::memcpy(&v, p, sizeof(float) * n);
  return v;
}
inline void store(float* p, vec v, int n) {
  if (n >= kLanes)
    store(p, v);
  else
    std::memcpy(p, &v, sizeof(float) * n);
}

// What is not read again for long goes past the caches, and its lines need not be fetched first. `p` is aligned to a
// vector; before another thread may read it, `finish_streams`.
inline void stream(float* p, vec v) {
#ifdef __AVX__
  _mm256_stream_ps(p, reinterpret_cast<__m256>(v));
#else
  store(p, v);
#endif
}
inline void finish_streams() {
#ifdef __AVX__
  _mm_sfence();
#endif
}

// B' d
inline void transform_input_row(const vec d[6], vec v[6]) {
  const vec a = d[4] - kB2 * d[2], b = kA * (d[3] - kB2 * d[1]), c = d[4] - kA2 * d[2], e = kB * (d[3] - kA2 * d[1]);
  v[0] = kProduct * d[0] - kSum * d[2] + d[4];
  v[1] = a + b;
  v[2] = a - b;
  v[3] = c + e;
  v[4] = c - e;
  v[5] = kProduct * d[1] - kSum * d[3] + d[5];
}

// B v: the adjoint, six points to six pixels.
inline void transform_input_gradient_row(const vec v[6], vec d[6]) {
  const vec a = v[1] + v[2], b = kA * (v[1] - v[2]), c = v[3] + v[4], e = kB * (v[3] - v[4]);
  d[0] = kProduct * v[0];
  d[1] = kProduct * v[5] - kB2 * b - kA2 * e;
  d[2] = -kSum * v[0] - kB2 * a - kA2 * c;
  d[3] = b + e - kSum * v[5];
  d[4] = v[0] + a + c;
  d[5] = v[5];
}

// A' m: six points to M outputs.
template <int M>
inline void transform_output_row(const vec m[6], vec y[M]) {
  const vec a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  y[0] = m[0] + a + c;
  if constexpr (M == 2) {
    y[1] = kA * b + kB * d + m[5];
  } else {
    y[1] = kA * b + kB * d;
    y[2] = kA2 * a + kB2 * c;
    y[3] = kA * kA2 * b + kB * kB2 * d + m[5];
  }
}

// A y: the adjoint, M outputs to six points.
template <int M>
inline void transform_gradient_row(const vec y[M], vec m[6]) {
  vec a = y[0], b = kA * y[1], c = y[0], d = kB * y[1];
  if constexpr (M == 4) {
    a += kA2 * y[2];
    b += kA * kA2 * y[3];
    c += kB2 * y[2];
    d += kB * kB2 * y[3];
  }
  m[0] = y[0];
  m[1] = a + b;
  m[2] = a - b;
  m[3] = c + d;
  m[4] = c - d;
  m[5] = y[M - 1];
}

// G g: R weights to six points.
template <int R>
inline void transform_kernel_row(const vec g[R], vec u[6]) {
  vec even = g[0] + kA2 * g[2], odd = kA * g[1], even2 = g[0] + kB2 * g[2], odd2 = kB * g[1];
  if constexpr (R == 5) {
    even += kA2 * kA2 * g[4];
    odd += kA * kA2 * g[3];
    even2 += kB2 * kB2 * g[4];
    odd2 += kB * kB2 * g[3];
  }
  u[0] = static_cast<float>(kAt0) * g[0];
  u[1] = static_cast<float>(kAtA) * (even + odd);
  u[2] = static_cast<float>(kAtA) * (even - odd);
  u[3] = static_cast<float>(kAtB) * (even2 + odd2);
  u[4] = static_cast<float>(kAtB) * (even2 - odd2);
  u[5] = g[R - 1];
}

// G' u: the adjoint, six points to R weights.
template <int R>
inline void transform_kernel_gradient_row(const vec u[6], vec g[R]) {
  const float at_a = static_cast<float>(kAtA), at_b = static_cast<float>(kAtB);
  const vec s = at_a * (u[1] + u[2]), d = at_a * kA * (u[1] - u[2]);
  const vec s2 = at_b * (u[3] + u[4]), d2 = at_b * kB * (u[3] - u[4]);
  g[0] = static_cast<float>(kAt0) * u[0] + s + s2;
  g[1] = d + d2;
  g[2] = kA2 * s + kB2 * s2;
  if constexpr (R == 5) {
    g[3] = kA2 * d + kB2 * d2;
    g[4] = kA2 * kA2 * s + kB2 * kB2 * s2;
  }
  g[R - 1] += u[5];
}

// exp(x) = power (1 + rest): a power of two, and a polynomial on [-ln2/2, ln2/2] less its 1 (the coefficients of
// Cephes' expf). NaN stays NaN.
struct Exponential {
  vec power, rest;
};
inline Exponential exponential(vec x) {
  typedef int integers __attribute__((vector_size(4 * kLanes)));
  const vec zero = {}, low = zero - 87.f, high = zero + 88.f, magic = zero + 12582912.f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const vec shifted = x * 1.44269504088896341f + magic;  // its low bits hold the rounded exponent n
  const vec n = shifted - magic;
  const vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
  vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r;
  integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + 0x3f800000;
  vec power;
  std::memcpy(&power, &bits, sizeof power);
  return {power, p};
}

inline vec sigmoid(vec x) {
  const Exponential e = exponential(-x);
  return 1.f / (1.f + (e.power * e.rest + e.power));
}

// (exp(2x) - 1) / (exp(2x) + 1), whose numerator is near 0 as exact as x is: a batch norm that follows multiplies the
// small states of a young network by a hundred, and their errors with them.
inline vec hyperbolic_tangent(vec x) {
  const Exponential e = exponential(2.f * x);
  const vec less_one = e.power * e.rest + (e.power - 1.f);
  return less_one / (less_one + 2.f);
}

}  // namespace
