// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The operator mat_ros::WKV over F16: the recurrence of RWKV-4 from a state to a state. Each path_*.cpp includes this
// file after kernels.h.

inline void wkv4(const Wkv& given) {
  const size_t width = given.width;
  for (size_t b = 0; b < given.batch; ++b) {
    for (size_t c = 0; c < width; c += kLanes) {
      const int left = static_cast<int>(width - c);
      const size_t state = b * width + c;
      const F16 rate = load_part(given.rate + c, left), bonus = load_part(given.bonus + c, left);
      Mean mean = {load_part(given.num + state, left), load_part(given.den + state, left),
                   load_part(given.top + state, left)};
      for (size_t i = 0; i < given.slots; ++i) {
        const size_t at = (b * given.slots + i) * width + c;
        const F16 key = load_part(given.key + at, left), value = load_part(given.value + at, left);
        store_part(given.out + at, recall(mean, bonus, key, value), left);
        mean = remember(mean, rate, key, value);
      }
      store_part(given.next_num + state, mean.num, left);
      store_part(given.next_den + state, mean.den, left);
      store_part(given.next_top + state, mean.top, left);
    }
  }
}
