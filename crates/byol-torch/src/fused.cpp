// Convolutions of oneDNN that add a bias, a shortcut and ReLU while their results are in registers. libtorch has them for
// the code that its compiler writes; they are registered operators, without functions in its headers.

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

namespace {

using Sizes = at::IntArrayRef;
using Scalars = at::List<std::optional<at::Scalar>>;
using Reorder = at::Tensor(const at::Tensor&, Sizes, Sizes, Sizes, int64_t, at::OptionalIntArrayRef);
using Convolve = at::Tensor(
    const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, Sizes, Sizes, Sizes, int64_t,
    std::string_view, Scalars, std::optional<std::string_view>);
using ConvolveOnto = at::Tensor&(
    at::Tensor&, const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, Sizes, Sizes, Sizes, int64_t,
    std::string_view, std::optional<at::Scalar>, std::optional<std::string_view>, Scalars,
    std::optional<std::string_view>);

template <typename Signature>
const c10::TypedOperatorHandle<Signature>* find(const char* name, const char* overload) {
  const auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found.has_value()) {
    return nullptr;
  }
  return new c10::TypedOperatorHandle<Signature>(found->typed<Signature>());
}

// Found once; null in a libtorch without oneDNN.
const auto* reorder() {
  static const auto* operation = find<Reorder>("mkldnn::_reorder_convolution_weight", "");
  return operation;
}

const auto* convolve() {
  static const auto* operation = find<Convolve>("mkldnn::_convolution_pointwise", "");
  return operation;
}

const auto* convolve_onto() {
  static const auto* operation = find<ConvolveOnto>("mkldnn::_convolution_pointwise_", "binary");
  return operation;
}

}  // namespace

extern "C" {

// Filters in the order that oneDNN wants for an input of that shape; `*result` stays null where libtorch lacks the
// operators. Returns null, or a message to be freed.
char* byol_fused_filters(
    const at::Tensor* weight, const int64_t* input_shape, int64_t stride, int64_t padding, at::Tensor** result) {
  try {
    if (reorder() == nullptr || convolve() == nullptr || convolve_onto() == nullptr) {
      return nullptr;
    }
    at::NoGradGuard guard;
    *result = new at::Tensor(reorder()->call(
        *weight, {padding, padding}, {stride, stride}, {1, 1}, /*groups=*/1, Sizes(input_shape, 4)));
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// Returns null, or a message to be freed.
char* byol_fused_convolution(
    const at::Tensor* input, const at::Tensor* filters, const at::Tensor* bias, int64_t stride, int64_t padding,
    bool relu, at::Tensor** result) {
  try {
    at::NoGradGuard guard;
    *result = new at::Tensor(convolve()->call(
        *input, *filters, *bias, {padding, padding}, {stride, stride}, {1, 1}, /*groups=*/1, relu ? "relu" : "none",
        Scalars(), std::nullopt));
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

// `onto = relu(convolution + onto)`. Returns null, or a message to be freed.
char* byol_fused_convolution_onto(
    at::Tensor* onto, const at::Tensor* input, const at::Tensor* filters, const at::Tensor* bias, int64_t stride,
    int64_t padding) {
  try {
    at::NoGradGuard guard;
    convolve_onto()->call(
        *onto, *input, *filters, *bias, {padding, padding}, {stride, stride}, {1, 1}, /*groups=*/1, "add",
        at::Scalar(1.0), "relu", Scalars(), std::nullopt);
    return nullptr;
  } catch (const std::exception& error) {
    return strdup(error.what());
  }
}

}  // extern "C"
