// The kernels of one instruction set. Compiled once for each, with KERNELS the name of the table it exports and
// REGISTER_FLOATS the width of a register; nothing here may have external linkage but that table, or a linker could
// hand one processor's code to another.
#include "backward.hpp"
#include "forward.hpp"
#include "readout.hpp"

namespace nextframe {
namespace {

size_t scratch_floats(const Shape& s) {
  const size_t forward = forward_scratch(s), backward = BackwardLayout(s).total;
  return forward > backward ? forward : backward;
}

// The kernel's size chooses the instance: 3x3 has outputs of 4x4, 5x5 of 2x2.
void pack_forward_any(const ForwardJob& job, int id, int threads) {
  job.shape.kernel == 3 ? pack_forward<3>(job, id, threads) : pack_forward<5>(job, id, threads);
}
void forward_any(const ForwardJob& job, int id, int threads, Barrier& barrier, float* scratch) {
  job.shape.kernel == 3 ? forward<4>(job, id, threads, barrier, scratch)
                        : forward<2>(job, id, threads, barrier, scratch);
}
void pack_backward_any(const BackwardJob& job, int id, int threads) {
  job.shape.kernel == 3 ? pack_backward<3>(job, id, threads) : pack_backward<5>(job, id, threads);
}
void backward_any(const BackwardJob& job, int id, int threads, Barrier& barrier, float* const* scratches) {
  job.shape.kernel == 3 ? Backward<4>(job, id, threads, barrier, scratches).run()
                        : Backward<2>(job, id, threads, barrier, scratches).run();
}
void finish_weight_gradient_any(const BackwardJob& job, int id, int threads, float* const* scratches) {
  job.shape.kernel == 3 ? finish_weight_gradient<3>(job, id, threads, scratches)
                        : finish_weight_gradient<5>(job, id, threads, scratches);
}

}  // namespace

#define NAME_OF(x) #x
#define NAME(x) NAME_OF(x)
extern const Kernels KERNELS = {
    NAME(INSTRUCTION_SET), packed_forward_floats, packed_backward_floats, gates_floats, scratch_floats,
    pack_forward_any,      forward_any,           pack_backward_any,      backward_any, finish_weight_gradient_any,
    readout_scratch,       readout_forward,       readout_backward};

}  // namespace nextframe
