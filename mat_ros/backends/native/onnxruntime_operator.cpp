// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The operator mat_ros::WKV for ONNX Runtime on the CPU. SessionOptions.register_custom_ops_library calls
// RegisterCustomOps of this library. The rest of the library does not need ONNX Runtime.
//
// key, value (batch, slots, width) or, for one slot, (batch, width); rate, bonus (width,); num, den, max (batch, width)
// -> out with the shape of key; num, den, max after the last slot.

#include <initializer_list>

#include "arithmetic.h"
#include "model.h"
#include "onnxruntime_abi.h"

namespace mat_ros {
namespace {

using onnxruntime_abi::Api;
using onnxruntime_abi::ApiBase;
using onnxruntime_abi::Context;
using onnxruntime_abi::Domain;
using onnxruntime_abi::Operator;
using onnxruntime_abi::Options;
using onnxruntime_abi::Shape;
using onnxruntime_abi::Status;
using onnxruntime_abi::Value;

constexpr size_t kInputs = 7, kOutputs = 4, kMostDimensions = 3;
constexpr const char* kWrongShapes =
    "mat_ros::WKV: expected key and value (batch, width) or (batch, slots, width), rate and bonus (width), num, den and "
    "max (batch, width), got other shapes; export the policy anew";

struct Input {
  float* data = nullptr;
  size_t rank = 0;
  int64_t sizes[kMostDimensions] = {};

  bool is(std::initializer_list<int64_t> wanted) const {
    if (rank != wanted.size()) return false;
    size_t axis = 0;
    for (int64_t size : wanted) {
      if (sizes[axis++] != size) return false;
    }
    return true;
  }
};

Status* read(const Api& api, const Context* context, size_t index, Input* input) {
  const Value* value = nullptr;
  Shape* shape = nullptr;
  if (Status* failed = api.input(context, index, &value)) return failed;
  if (Status* failed = api.data(value, &input->data)) return failed;
  if (Status* failed = api.shape(value, &shape)) return failed;
  Status* failed = api.count_dimensions(shape, &input->rank);
  if (failed == nullptr && input->rank <= kMostDimensions) failed = api.dimensions(shape, input->sizes, input->rank);
  api.release(shape);
  return failed;
}

Status* compute(void* kernel, Context* context) {
  const Api& api = *static_cast<const Api*>(kernel);
  Input inputs[kInputs];
  for (size_t i = 0; i < kInputs; ++i) {
    if (Status* failed = read(api, context, i, &inputs[i])) return failed;
  }
  const Input &key = inputs[0], &value = inputs[1];
  if (key.rank != 2 && key.rank != 3) return api.error(kWrongShapes);
  const int64_t batch = key.sizes[0], slots = key.rank == 3 ? key.sizes[1] : 1, width = key.sizes[key.rank - 1];
  bool fits = value.rank == key.rank;
  for (size_t axis = 0; axis < key.rank; ++axis) fits = fits && value.sizes[axis] == key.sizes[axis];
  for (size_t i = 2; i < kInputs; ++i) fits = fits && (i < 4 ? inputs[i].is({width}) : inputs[i].is({batch, width}));
  if (!fits) return api.error(kWrongShapes);

  const int64_t state[] = {batch, width};
  float* outputs[kOutputs] = {};
  for (size_t i = 0; i < kOutputs; ++i) {
    Value* made = nullptr;
    const int64_t* sizes = i == 0 ? key.sizes : state;
    if (Status* failed = api.output(context, i, sizes, i == 0 ? key.rank : 2, &made)) return failed;
    if (Status* failed = api.data(made, &outputs[i])) return failed;
  }
  const PlainArithmetic plain;
  best_path().wkv4({static_cast<size_t>(batch), static_cast<size_t>(slots), static_cast<size_t>(width), key.data,
                    value.data, inputs[2].data, inputs[3].data, inputs[4].data, inputs[5].data, inputs[6].data,
                    outputs[0], outputs[1], outputs[2], outputs[3]});
  return nullptr;
}

Operator describe() {
  Operator wkv;
  wkv.name = [](const Operator*) { return "WKV"; };
  wkv.provider = [](const Operator*) -> const char* { return nullptr; };  // the CPU
  wkv.input_type = wkv.output_type = [](const Operator*, size_t) { return onnxruntime_abi::kFloat; };
  wkv.input_count = [](const Operator*) { return kInputs; };
  wkv.output_count = [](const Operator*) { return kOutputs; };
  wkv.input_kind = wkv.output_kind = wkv.input_memory = [](const Operator*, size_t) { return 0; };  // required; there
  wkv.create_or_fail = [](const Operator*, const Api* api, const void*, void** kernel) -> Status* {
    *kernel = const_cast<Api*>(api);  // the operator has no parameters, so a call needs only the table
    return nullptr;
  };
  wkv.destroy = [](void*) {};
  wkv.compute_or_fail = compute;
  return wkv;
}

}  // namespace
}  // namespace mat_ros

extern "C" __attribute__((visibility("default"))) onnxruntime_abi::Status* RegisterCustomOps(
    onnxruntime_abi::Options* options, const onnxruntime_abi::ApiBase* base) {
  using namespace mat_ros;
  static const Operator wkv = describe();
  static Domain* domain = nullptr;  // sessions keep a pointer to the domain, so it lives as long as the library
  const Api* api = base->api(onnxruntime_abi::kOperatorVersion);
  if (api == nullptr) {  // older than the package allows; the first table reports this error
    return base->api(1)->error("mat_ros::WKV: expected ONNX Runtime 1.16 or newer, got an older one; update it");
  }
  if (domain == nullptr) {
    Domain* made = nullptr;
    if (Status* failed = api->create_domain("mat_ros", &made)) return failed;
    if (Status* failed = api->add_to_domain(made, &wkv)) return failed;
    domain = made;
  }
  return api->add_domain(options, domain);
}
