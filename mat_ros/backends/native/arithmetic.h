// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Set the floating-point mode of the calling thread in every entry of the library. Other libraries may have changed the
// mode, and the bits must not depend on it.
#ifndef MAT_ROS_ARITHMETIC_H_
#define MAT_ROS_ARITHMETIC_H_

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace mat_ros {

// Round to nearest and keep subnormal numbers while a kernel runs, and restore the thread's mode afterwards.
class PlainArithmetic {
 public:
#if defined(__x86_64__)
  PlainArithmetic() : before_(_mm_getcsr()) {
    if (before_ != kPlain) _mm_setcsr(kPlain);
  }
  ~PlainArithmetic() {
    if (before_ != kPlain) _mm_setcsr(before_);
  }

 private:
  static constexpr unsigned kPlain = 0x1f80;  // no exception traps, no flushing to zero
  unsigned before_;
#elif defined(__aarch64__)
  PlainArithmetic() {
    __asm__ volatile("mrs %0, fpcr" : "=r"(before_));
    if (before_ != 0) __asm__ volatile("msr fpcr, %0" : : "r"(0UL));
  }
  ~PlainArithmetic() {
    if (before_ != 0) __asm__ volatile("msr fpcr, %0" : : "r"(before_));
  }

 private:
  unsigned long before_;
#endif
};

}  // namespace mat_ros

#endif  // MAT_ROS_ARITHMETIC_H_
