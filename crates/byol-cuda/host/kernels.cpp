// All kernels compiled for the host, and what runs them there: for tests without a GPU.
//
// A block's threads are fibers that take turns: each runs to its next __syncthreads(), then the thread after it does.
// Blocks run one after the other. So where a __syncthreads() is missing, a thread does not see what those after it
// write.

#ifdef __APPLE__
// <ucontext.h> asks for it.
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE
#endif

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static thread_local

namespace {

struct Triple {
  unsigned x, y, z;
};

thread_local Triple threadIdx, blockIdx, blockDim, gridDim;

template <typename To, typename From>
To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "both have the same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

float __uint_as_float(unsigned bits) { return same_bits<float>(bits); }
float __int_as_float(int bits) { return same_bits<float>(bits); }
unsigned __float_as_uint(float value) { return same_bits<unsigned>(value); }

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  bool ended;
};

constexpr size_t STACK = 64 * 1024;

// The fibers of this thread of the host, of which `running` has its turn, and what it hands the turn back to.
thread_local std::vector<Fiber> fibers;
thread_local size_t running;
thread_local ucontext_t between_turns;
thread_local void (*work)(void** arguments);
thread_local void** work_arguments;

void __syncthreads() { swapcontext(&fibers[running].context, &between_turns); }

void run_fiber() {
  work(work_arguments);
  fibers[running].ended = true;
}

void run_block() {
  const size_t threads = size_t(blockDim.x) * blockDim.y * blockDim.z;
  while (fibers.size() < threads) {
    fibers.push_back({{}, std::unique_ptr<char[]>(new char[STACK]), false});
  }
  for (size_t thread = 0; thread < threads; ++thread) {
    Fiber& fiber = fibers[thread];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &between_turns;
    makecontext(&fiber.context, run_fiber, 0);
    fiber.ended = false;
  }
  for (size_t left = threads; left > 0;) {
    for (running = 0; running < threads; ++running) {
      Fiber& fiber = fibers[running];
      if (fiber.ended) {
        continue;
      }
      const unsigned thread = unsigned(running);
      threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y, thread / blockDim.x / blockDim.y};
      swapcontext(&between_turns, &fiber.context);
      left -= fiber.ended;
    }
  }
}

}  // namespace

using std::ceil;
using std::exp;
using std::fabs;
using std::max;
using std::min;
using std::sqrt;

#include "../kernels/element.cuh"
#include "../kernels/norm.cu"
#include "../kernels/unfold.cu"
#include "../kernels/views.cu"

namespace {

template <typename... Arguments, size_t... PLACES>
void call(void (*kernel)(Arguments...), void** arguments, std::index_sequence<PLACES...>) {
  kernel(*static_cast<Arguments*>(arguments[PLACES])...);
}

template <typename... Arguments>
void call(void (*kernel)(Arguments...), void** arguments) {
  call(kernel, arguments, std::index_sequence_for<Arguments...>());
}

using Kernel = void (*)(void** arguments);

struct Named {
  const char* name;
  Kernel kernel;
};

#define NAMED(NAME) {#NAME, [](void** arguments) { call(NAME, arguments); }}
#define NAMED_NORM(ELEMENT)                                                                                    \
  NAMED(byol_sums_##ELEMENT), NAMED(byol_apply_##ELEMENT), NAMED(byol_gradient_sums_##ELEMENT),                \
      NAMED(byol_relu_gradient_sums_##ELEMENT), NAMED(byol_add_relu_gradient_sums_##ELEMENT),                  \
      NAMED(byol_input_gradient_##ELEMENT), NAMED(byol_relu_input_gradient_##ELEMENT),                         \
      NAMED(byol_pool_##ELEMENT), NAMED(byol_pool_input_gradient_##ELEMENT)

const Named KERNELS[] = {
    NAMED_NORM(f32_4),        NAMED_NORM(f32_1),       NAMED_NORM(bf16_8),
    NAMED_NORM(bf16_1),       NAMED(byol_finish_f32),  NAMED(byol_finish_bf16),
    NAMED(byol_finish_gradient), NAMED(byol_unfold_bf16), NAMED(byol_views_f32),
    NAMED(byol_views_bf16),
};

}  // namespace

extern "C" {

// The kernel of that name, or null.
Kernel byol_host_kernel(const char* name) {
  for (const Named& named : KERNELS) {
    if (std::strcmp(named.name, name) == 0) {
      return named.kernel;
    }
  }
  return nullptr;
}

// Runs all blocks of a grid, and returns when they have ended.
void byol_host_launch(Kernel kernel, const unsigned* blocks, const unsigned* threads, void** arguments) {
  gridDim = {blocks[0], blocks[1], blocks[2]};
  blockDim = {threads[0], threads[1], threads[2]};
  work = kernel;
  work_arguments = arguments;
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x) {
        run_block();
      }
    }
  }
}

long long byol_host_scratch(int side, int crop_width, int crop_height) {
  return scratch_of(side, crop_width, crop_height).size;
}

}  // extern "C"
