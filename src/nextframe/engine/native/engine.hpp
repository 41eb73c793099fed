// What the dispatcher (module.cpp) and the kernels (kernels.cpp, compiled once for each instruction set) agree on.
//
// Tensors are float32, channels-last and contiguous: T time, B batch, H height, W width, C input channels, F filters.
// Gates stand in the order input, forget, output, cell: channel q * F + f is gate q of filter f.
#pragma once

#include <atomic>
#include <cstddef>

// The kernels are one function after all inlining, in which vectors stay in registers.
#define ALWAYS_INLINE __attribute__((always_inline))
#define INLINE inline ALWAYS_INLINE

namespace nextframe {

struct Shape {
  int steps, batch, height, width, channels, filters;
  int kernel;  // 3: F(4x4, 3x3); 5: F(2x2, 5x5); both on tiles of 6x6
};

struct ForwardJob {
  Shape shape;
  const float* frames;    // (T, B, H, W, C)
  const float* weight_x;  // (4F, C, k, k)
  const float* weight_h;  // (4F, F, k, k)
  const float* bias;      // (4F)
  const float* hidden;    // (B, H, W, F), the initial state
  const float* cell;      // (B, H, W, F)
  float* packed;          // the transformed weights
  float* hiddens;         // (T, B, H, W, F)
  float* cells;           // (T, B, H, W, F) if gates are kept, else (2, B, H, W, F), used in turn
  float* gates;           // activated, for the backward pass, tile by tile (see `gates` below); or null
};

struct BackwardJob {
  Shape shape;
  const float* frames;
  const float* weight_x;
  const float* weight_h;
  const float* hidden;
  const float* cell;
  const float* gates;
  const float* cells;
  const float* hiddens;
  const float* grad_hiddens;  // (T, B, H, W, F)
  float* packed;
  float* grad_hidden;  // (2, B, H, W, F), used in turn: in the end [T % 2] is the gradient by the initial hidden state
  float* grad_cell;    // (B, H, W, F): by the last cell state at first, by the initial one in the end
  float* grad_frames;  // (T, B, H, W, C), or null where nobody asks for it
  float* grad_weight_x;  // (4F, C, k, k)
  float* grad_weight_h;  // (4F, F, k, k)
  float* grad_bias;      // (4F)
  bool wants_weights;    // whether the gradients by kernels and bias are asked for
  bool wants_initial;    // whether the gradient by the initial hidden state is asked for
};

// The readout's features are (T, B, H, W, F); output t sees frames t - 2, t - 1 and t, or, shifted by one, t - 1, t and
// t + 1. Before the first frame there is `recent`, where it is given, or nothing.
struct ReadoutShape {
  int steps, batch, height, width, filters, channels;  // channels C: of the outputs
  int shift;                                           // 0 or 1
  int recent;                                          // 2 frames or none
};

struct ReadoutJob {
  ReadoutShape shape;
  const float* features;      // (T, B, H, W, F)
  const float* recent;        // (2, B, H, W, F)
  const float* weight;        // forward: (F, 27 C rounded up to 32); backward: (27 C, F rounded up to 32)
  const float* bias;          // (C)
  float* outputs;             // (T, B, C, H, W)
  const float* grad_outputs;  // (T, B, C, H, W)
  float* grad_features;       // (T, B, H, W, F), or null where nobody asks for it
  float* grad_recent;         // (2, B, H, W, F), likewise
};

// All threads of a job meet here between time steps. They wait microseconds, so they spin.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  ALWAYS_INLINE void wait() {
    if (threads_ == 1) return;
    const int phase = phase_.load(std::memory_order_relaxed);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      waiting_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
    } else {
      for (long spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins)
        if (spins > 20000) yield();
    }
  }

 private:
  static void yield();  // gives the core away where there are more threads than cores
  const int threads_;
  std::atomic<int> waiting_{0}, phase_{0};
};

// The kernels of one instruction set. Each function does the share of thread `id` of `threads`.
struct Kernels {
  const char* name;
  size_t (*packed_forward)(const Shape&);  // floats
  size_t (*packed_backward)(const Shape&, bool frames);
  size_t (*gates)(const Shape&);
  size_t (*scratch)(const Shape&);  // for each thread
  void (*pack_forward)(const ForwardJob&, int id, int threads);
  void (*forward)(const ForwardJob&, int id, int threads, Barrier&, float* scratch);
  void (*pack_backward)(const BackwardJob&, int id, int threads);
  void (*backward)(const BackwardJob&, int id, int threads, Barrier&, float* const* scratches);
  void (*finish_weight_gradient)(const BackwardJob&, int id, int threads, float* const* scratches);
  size_t (*readout_scratch)(const ReadoutShape&);
  void (*readout_forward)(const ReadoutJob&, int id, int threads, float* scratch);
  void (*readout_backward)(const ReadoutJob&, int id, int threads, float* scratch);
};

extern const Kernels portable_kernels;
#ifdef NEXTFRAME_X86
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#endif

}  // namespace nextframe
