// The C++ side of this crate: a node of autograd's graph whose gradient is computed by a Rust function, and libtorch's
// own threads. Nothing numerical.

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>

namespace {

// Takes the gradient of every output, null for none; writes one owned tensor, or null for none, per input. Returns false
// on failure.
using Backward = bool (*)(void* context, const at::Tensor* const* gradients, at::Tensor** results);
using Release = void (*)(void* context);

class RustNode : public torch::autograd::Node {
 public:
  RustNode(void* context, Backward backward, Release release)
      : context_(context), backward_(backward), release_(release) {}

  ~RustNode() override { release_variables(); }

  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    std::lock_guard<std::mutex> lock(mutex_);
    TORCH_CHECK(context_ != nullptr, "the gradient of this operation was computed already");
    torch::autograd::variable_list results(num_outputs());
    std::vector<const at::Tensor*> given;
    bool any = false;
    for (const at::Tensor& gradient : gradients) {
      given.push_back(gradient.defined() ? &gradient : nullptr);
      any = any || gradient.defined();
    }
    if (!any) {
      return results;
    }
    std::vector<at::Tensor*> owned(results.size(), nullptr);
    const bool succeeded = backward_(context_, given.data(), owned.data());
    for (size_t index = 0; index < owned.size(); ++index) {
      if (owned[index] != nullptr) {
        results[index] = std::move(*owned[index]);
        delete owned[index];
      }
    }
    TORCH_CHECK(succeeded, "computing the gradient of an operation of byol failed");
    return results;
  }

  void release_variables() override {
    if (context_ != nullptr) {
      release_(std::exchange(context_, nullptr));
    }
  }

 private:
  void* context_;
  Backward backward_;
  Release release_;
};

}  // namespace

extern "C" {

bool byol_needs_gradient(const at::Tensor* const* inputs, size_t count) {
  if (!at::GradMode::is_enabled()) {
    return false;
  }
  for (size_t index = 0; index < count; ++index) {
    if (inputs[index]->requires_grad()) {
      return true;
    }
  }
  return false;
}

// Makes the outputs, which have no history, depend on the inputs. Takes `context` over. Returns null, or a message to be
// freed.
char* byol_attach_gradient(
    const at::Tensor* const* outputs, size_t output_count, const at::Tensor* const* inputs, size_t count, void* context,
    Backward backward, Release release) {
  try {
    std::shared_ptr<RustNode> node(new RustNode(context, backward, release), torch::autograd::deleteNode);
    torch::autograd::edge_list edges;
    for (size_t index = 0; index < count; ++index) {
      edges.emplace_back(torch::autograd::impl::gradient_edge(*inputs[index]));
    }
    node->set_next_edges(std::move(edges));
    for (size_t index = 0; index < output_count; ++index) {
      torch::autograd::set_history(*outputs[index], node);
    }
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// Returns null, or a message to be freed.
char* byol_copy_all(const at::Tensor* const* targets, const at::Tensor* const* sources, size_t count) {
  try {
    at::NoGradGuard guard;
    std::vector<at::Tensor> to, from;
    for (size_t index = 0; index < count; ++index) {
      to.push_back(*targets[index]);
      from.push_back(*sources[index]);
    }
    at::_foreach_copy_(to, from);
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// Page-locked memory for `count` bytes. Returns null, or a message to be freed.
char* byol_page_locked(int64_t count, at::Tensor** result) {
  try {
    *result = new at::Tensor(at::empty({count}, at::TensorOptions(at::kByte).pinned_memory(true)));
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// The gradients of a convolution without bias; those that are not wanted stay null. Returns null, or a message to be
// freed.
char* byol_convolution_backward(
    const at::Tensor* gradient, const at::Tensor* input, const at::Tensor* weight, int64_t stride, int64_t padding,
    bool wants_input, bool wants_weight, at::Tensor** input_gradient, at::Tensor** weight_gradient) {
  try {
    auto [for_input, for_weight, for_bias] = at::convolution_backward(
        *gradient, *input, *weight, c10::nullopt, {stride, stride}, {padding, padding}, {1, 1}, /*transposed=*/false,
        {0, 0}, /*groups=*/1, {wants_input, wants_weight, false});
    if (wants_input) {
      *input_gradient = new at::Tensor(std::move(for_input));
    }
    if (wants_weight) {
      *weight_gradient = new at::Tensor(std::move(for_weight));
    }
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// Returns null, or a message to be freed.
char* byol_fused_adam(
    at::Tensor* parameters, at::Tensor* gradient, at::Tensor* first, at::Tensor* second, at::Tensor* steps, double rate,
    double beta1, double beta2, double weight_decay, double epsilon) {
  try {
    at::NoGradGuard guard;
    at::_fused_adam_(
        {*parameters}, {*gradient}, {*first}, {*second}, {}, {*steps}, rate, beta1, beta2, weight_decay, epsilon,
        /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, /*found_inf=*/{});
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

void byol_parallel(size_t tasks, const void* context, void (*run)(const void* context, size_t begin, size_t end)) {
  at::parallel_for(0, static_cast<int64_t>(tasks), 1, [&](int64_t begin, int64_t end) {
    run(context, static_cast<size_t>(begin), static_cast<size_t>(end));
  });
}

// libtorch gives a thread the number that any thread has set last when it first asks. It asks once in its own library and once
// in this one, whose copies of an inline function have each a flag of their own.
void byol_set_own_threads(int threads) {
  at::internal::lazy_init_num_threads();
  at::get_num_threads();
  at::set_num_threads(threads);
}

// Ends the threads that the calling one has computed with; the next parallel region begins others.
void byol_dismiss_own_threads() {
#ifdef _OPENMP
  omp_pause_resource_all(omp_pause_soft);
#endif
}

// What libtorch says about itself, to be freed; null where it says nothing.
char* byol_configuration() {
  try {
    return strdup(at::show_config().c_str());
  } catch (const std::exception&) {
    return nullptr;
  }
}

// The file that libtorch's CPU half was loaded from, to be freed; null where the system does not say.
char* byol_library() {
  Dl_info found;
  if (dladdr(reinterpret_cast<void*>(&at::show_config), &found) == 0 || found.dli_fname == nullptr) {
    return nullptr;
  }
  return strdup(found.dli_fname);
}

}  // extern "C"
