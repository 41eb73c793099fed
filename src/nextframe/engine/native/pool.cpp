#include "pool.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <type_traits>

#ifdef NEXTFRAME_X86
#include <xmmintrin.h>
#endif

#include "engine.hpp"

namespace nextframe {

void Barrier::yield() { sched_yield(); }

namespace {

Pool* the_pool = nullptr;  // never destroyed: its threads sleep until the process ends

#ifdef NEXTFRAME_X86
constexpr unsigned subnormals_flag = 0x8040;  // flush to zero, and denormals are zero

// While it lives, numbers below 1.2e-38 count as zero. Where a trained network is sure of itself, gradients get that
// small, and x86 processors take many times as long for them: late steps of a training would take up to twice as long
// as early ones.
class SubnormalsAreZero {
 public:
  SubnormalsAreZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | subnormals_flag); }
  ~SubnormalsAreZero() { _mm_setcsr(before_); }
  SubnormalsAreZero(const SubnormalsAreZero&) = delete;
  SubnormalsAreZero& operator=(const SubnormalsAreZero&) = delete;

 private:
  unsigned before_;
};
#else
struct SubnormalsAreZero {
  ~SubnormalsAreZero() {}  // not trivial, so that no compiler calls it unused
};
#endif

}  // namespace

Pool& Pool::instance() {
  static std::once_flag once;
  std::call_once(once, [] {
    the_pool = new Pool(true);
    pthread_atfork(nullptr, nullptr, [] { the_pool = new Pool(false); });
  });
  return *the_pool;
}

Pool::Pool(bool openmp) {
  if (!openmp) return;
  const auto find = [](const char* name, auto& function) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(RTLD_DEFAULT, name));
    return function != nullptr;
  };
  const bool all = find("omp_get_thread_num", thread_number_) && find("omp_get_num_threads", team_size_) &&
                   find("omp_in_parallel", inside_);
  if (all) find("GOMP_parallel", parallel_);
}

// Whether it ran: not inside a parallel region, nor where the runtime gives fewer threads than asked for, whose barrier
// would wait for the others for ever.
bool Pool::run_on_openmp(int threads, const std::function<void(int)>& job) const {
  if (parallel_ == nullptr || inside_()) return false;
  struct Team {
    const Pool* pool;
    const std::function<void(int)>* job;
    int threads;
    std::atomic<bool> complete;
  } team{this, &job, threads, {true}};
  const auto body = [](void* data) {
    Team& team = *static_cast<Team*>(data);
    if (team.pool->team_size_() == team.threads)
      (*team.job)(team.pool->thread_number_());
    else
      team.complete = false;
  };
  parallel_(body, &team, static_cast<unsigned>(threads), 0);
  return team.complete;
}

void Pool::work(int id) {
  long seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    start_.wait(lock, [&] { return round_ != seen; });
    seen = round_;
    if (id >= active_) continue;
    const auto* job = job_;
    lock.unlock();
    (*job)(id);
    lock.lock();
    if (--left_ == 0) done_.notify_one();
  }
}

void Pool::run(int threads, const std::function<void(int)>& job) {
  spread(threads, [&](int id) {
    const SubnormalsAreZero meanwhile;
    job(id);
  });
}

void Pool::set_subnormals(int threads, bool zero) {
#ifdef NEXTFRAME_X86
  spread(threads, [&](int) { _mm_setcsr(zero ? _mm_getcsr() | subnormals_flag : _mm_getcsr() & ~subnormals_flag); });
#endif
}

void Pool::spread(int threads, const std::function<void(int)>& job) {
  if (threads == 1) return job(0);
  if (run_on_openmp(threads, job)) return;
  std::unique_lock<std::mutex> lock(mutex_);
  while (static_cast<int>(threads_.size()) < threads - 1) {
    const int id = static_cast<int>(threads_.size()) + 1;
    threads_.emplace_back([this, id] { work(id); });
    threads_.back().detach();
  }
  job_ = &job;
  active_ = threads;
  left_ = threads - 1;
  ++round_;
  start_.notify_all();
  lock.unlock();
  job(0);
  lock.lock();
  done_.wait(lock, [&] { return left_ == 0; });
}

float* Pool::scratch(int thread, size_t floats) {
  if (static_cast<int>(buffers_.size()) <= thread) buffers_.resize(thread + 1);
  Buffer& buffer = buffers_[thread];
  if (buffer.floats < floats) {
    std::free(buffer.memory);
    buffer = {};
    const size_t bytes = (floats * sizeof(float) + 63) / 64 * 64;
    buffer.memory = std::aligned_alloc(64, bytes);
    if (buffer.memory == nullptr) throw std::bad_alloc();
    buffer.floats = floats;
  }
  return static_cast<float*>(buffer.memory);
}

}  // namespace nextframe
