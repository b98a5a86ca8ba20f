// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The parts of ONNX Runtime's C interface that an operator needs. They are declared here because the wheels of ONNX
// Runtime contain no headers.
//
// The interface is a table of functions whose order never changes, because new functions are added at the end. This
// project uses only functions of its first version. The code first reads the version number of the library.
#ifndef MAT_ROS_ONNXRUNTIME_ABI_H_
#define MAT_ROS_ONNXRUNTIME_ABI_H_

#include <stddef.h>
#include <stdint.h>

namespace onnxruntime_abi {

struct Status;   // an error, or nullptr
struct Options;  // of a session
struct Domain;
struct Context;  // of one call of an operator
struct Value;
struct Shape;

constexpr int kFloat = 1, kInvalidArgument = 2;
constexpr uint32_t kOperatorVersion = 16;  // of the interface: the first version whose operators may return an error

// The table of functions, each at its index.
class Api {
 public:
  Status* error(const char* message) const {
    return call<Status*(int, const char*)>(0)(kInvalidArgument, message);
  }
  Status* create_domain(const char* name, Domain** domain) const {
    return call<Status*(const char*, Domain**)>(26)(name, domain);
  }
  Status* add_to_domain(Domain* domain, const struct Operator* added) const {
    return call<Status*(Domain*, const Operator*)>(27)(domain, added);
  }
  Status* add_domain(Options* options, Domain* domain) const {
    return call<Status*(Options*, Domain*)>(28)(options, domain);
  }
  Status* data(const Value* value, float** found) const {
    return call<Status*(const Value*, void**)>(51)(value, reinterpret_cast<void**>(found));
  }
  Status* count_dimensions(const Shape* shape, size_t* count) const {
    return call<Status*(const Shape*, size_t*)>(61)(shape, count);
  }
  Status* dimensions(const Shape* shape, int64_t* sizes, size_t count) const {
    return call<Status*(const Shape*, int64_t*, size_t)>(62)(shape, sizes, count);
  }
  Status* shape(const Value* value, Shape** found) const {
    return call<Status*(const Value*, Shape**)>(65)(value, found);
  }
  Status* input(const Context* context, size_t index, const Value** found) const {
    return call<Status*(const Context*, size_t, const Value**)>(90)(context, index, found);
  }
  Status* output(Context* context, size_t index, const int64_t* sizes, size_t count, Value** found) const {
    return call<Status*(Context*, size_t, const int64_t*, size_t, Value**)>(91)(context, index, sizes, count, found);
  }
  void release(Shape* shape) const { call<void(Shape*)>(99)(shape); }

 private:
  template <class Signature>
  Signature* call(size_t place) const {
    return reinterpret_cast<Signature*>(functions_[place]);
  }
  void (*functions_[102])();  // the number of functions in the first version
};

struct ApiBase {
  const Api* (*api)(uint32_t version);
  const char* (*version)();
};

// An operator in the form of ONNX Runtime. ONNX Runtime never calls the members that are nullptr here.
struct Operator {
  uint32_t version = kOperatorVersion;
  void* (*create)(const Operator*, const Api*, const void* info) = nullptr;
  const char* (*name)(const Operator*) = nullptr;
  const char* (*provider)(const Operator*) = nullptr;
  int (*input_type)(const Operator*, size_t) = nullptr;
  size_t (*input_count)(const Operator*) = nullptr;
  int (*output_type)(const Operator*, size_t) = nullptr;
  size_t (*output_count)(const Operator*) = nullptr;
  void (*compute)(void* kernel, Context*) = nullptr;
  void (*destroy)(void* kernel) = nullptr;
  int (*input_kind)(const Operator*, size_t) = nullptr;
  int (*output_kind)(const Operator*, size_t) = nullptr;
  int (*input_memory)(const Operator*, size_t) = nullptr;
  void (*variadic[4])() = {};
  Status* (*create_or_fail)(const Operator*, const Api*, const void* info, void** kernel) = nullptr;
  Status* (*compute_or_fail)(void* kernel, Context*) = nullptr;
  void (*later_versions[8])() = {};
};

}  // namespace onnxruntime_abi

#endif  // MAT_ROS_ONNXRUNTIME_ABI_H_
