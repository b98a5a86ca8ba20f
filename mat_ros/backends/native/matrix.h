// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// RWKV 5, 6 and 7: the memory is a matrix S[key channel][value channel] per head. The code is complete but not tuned.

constexpr float kGroupEps = 64e-5f;
constexpr float kFastest = 0.60653066f;  // e^-1/2

// Everything that one slot reads from the memory with, or writes to the memory.
struct Slot {
  float *receptance, *key, *value, *decay, *gate, *remove, *replace;  // (d,) each

  explicit Slot(float* start, int d) {
    Workspace parts(start);
    float** all[] = {&receptance, &key, &value, &decay, &gate, &remove, &replace};
    for (float** part : all) *part = parts.take(d);
  }
  static size_t floats(int d) { return 7 * static_cast<size_t>(padded(d)); }
};

// y = f(x + bias), lane by lane
template <typename Function>
inline void apply(int d, const float* x, float* y, Function function) {
  for (int c = 0; c < d; c += kLanes) store(y + c, function(load(x + c), c));
}

// Blend this slot with the slot before, for one use. Version 6 first corrects the share of the slot before.
inline void look(const MatrixMix& mix, Use use, int d, const float* x, const float* before, const float* asked,
                 float* y, Workspace work) {
  float* far = work.take(d);
  if (asked != nullptr) linear(mix.look_up[use], asked + use * mix.look_up[use].in, far);
  for (int c = 0; c < d; c += kLanes) {
    const F16 now = load(x + c), back = load_part(before + c, d - c) - now;
    const F16 amount = asked != nullptr ? load(mix.look[use] + c) + load(far + c) : load(mix.look[use] + c);
    store(y + c, fma(back, amount, now));
  }
}

// Divide each head's part of x by its length.
inline void to_unit(int d, int heads, float* x) {
  const int size = d / heads;
  for (int from = 0; from < d; from += size) {
    F16 squares = fill(0.0f);
    for (int c = 0; c < size; c += kLanes) {
      const F16 part = load_part(x + from + c, size - c);
      squares = fma(part, part, squares);
    }
    const float length = __builtin_sqrtf(sum(squares));
    const F16 divisor = fill(1e-12f > length ? 1e-12f : length);
    for (int c = 0; c < size; c += kLanes) {
      store_part(x + from + c, load_part(x + from + c, size - c) / divisor, size - c);
    }
  }
}

inline void project(const RwkvBlock& block, const mat_ros_network& net, const float* x, const float* before, Slot slot,
                    Workspace work) {
  const MatrixMix& mix = block.matrix;
  const int d = net.width;
  float* seen = work.take(d);
  float* small = work.take(mix.decay_down.out + mix.rate_down.out + mix.gate_down.out + 1);
  float* asked = nullptr;
  if (block.version == MAT_ROS_RWKV6) {
    asked = work.take(mix.look_down.out);
    for (int c = 0; c < d; c += kLanes) {
      const F16 now = load(x + c);
      store(seen + c, fma(load_part(before + c, d - c) - now, load(mix.look_any + c), now));
    }
    linear(mix.look_down, seen, asked);
    apply(mix.look_down.out, asked, asked, [](F16 a, int) { return tanh(a); });
  }
  const auto see = [&](Use use) {
    look(mix, use, d, x, before, asked, seen, work);
    return seen;
  };
  linear(mix.receptance, see(kReceptance), slot.receptance);
  linear(mix.key, see(kKey), slot.key);
  linear(mix.value, see(kValue), slot.value);

  if (block.version == MAT_ROS_RWKV5) {
    apply(d, mix.decay, slot.decay, [](F16 a, int) { return a; });
  } else {
    linear(mix.decay_down, see(kDecay), small);
    apply(mix.decay_down.out, small, small, [](F16 a, int) { return tanh(a); });
    linear(mix.decay_up, small, slot.decay);
    const bool seven = block.version == MAT_ROS_RWKV7;
    apply(d, slot.decay, slot.decay, [&](F16 a, int c) {
      const F16 logit = a + load(mix.decay + c);
      const F16 rate = seven ? fill(kFastest) * sigmoid(logit) : exp(min(fill(60.0f), logit));
      return exp(fill(0.0f) - rate);
    });
  }
  if (block.version != MAT_ROS_RWKV7) {
    linear(mix.gate, see(kGate), slot.gate);
    apply(d, slot.gate, slot.gate, [](F16 a, int) { return a * sigmoid(a); });
    return;
  }
  linear(mix.gate_down, see(kGate), small);
  apply(mix.gate_down.out, small, small, [](F16 a, int) { return sigmoid(a); });
  linear(mix.gate_up, small, slot.gate);
  linear(mix.rate_down, see(kRate), small);
  linear(mix.rate_up, small, slot.replace);
  apply(d, slot.replace, slot.replace, [&](F16 a, int c) { return sigmoid(a + load(mix.rate + c)); });
  apply(d, slot.key, slot.remove, [&](F16 k, int c) { return k * load(mix.remove_scale + c); });
  to_unit(d, net.heads, slot.remove);
  for (int c = 0; c < d; c += kLanes) {
    const F16 rate = load(slot.replace + c), one = fill(1.0f);
    store(slot.key + c, load(slot.key + c) * fma(rate - one, load(mix.replace_scale + c), one));
    store(slot.replace + c, rate * load(slot.remove + c));
  }
}

// Read the memory for one slot and add the result to wkv (d,), then write the slot into the memory. Without a bonus the
// result does not contain the slot itself, except in version 7, which reads after writing.
inline void remember(int version, Slot slot, const float* bonus, int d, int heads, const float* in, float* out,
                     float* wkv) {
  const int size = d / heads;
  for (int from = 0; from < d; from += size) {
    const float* s = in + static_cast<size_t>(from) * size;
    float* t = out + static_cast<size_t>(from) * size;
    for (int c = 0; c < size; c += kLanes) {
      const int left = size - c;
      const F16 value = load_part(slot.value + from + c, left);
      F16 read = load_part(wkv + from + c, left), taken = fill(0.0f);
      if (version == MAT_ROS_RWKV7) {
        for (int i = 0; i < size; ++i) {
          taken = fma(fill(slot.remove[from + i]), load_part(s + i * size + c, left), taken);
        }
      }
      for (int i = 0; i < size; ++i) {
        const int at = from + i;
        const F16 old = load_part(s + i * size + c, left), fresh = fill(slot.key[at]) * value;
        F16 next = fma(fill(slot.decay[at]), old, fresh);
        F16 seen = old;
        if (version == MAT_ROS_RWKV7) {
          next = fma(fill(-slot.replace[at]), taken, next);
          seen = next;
        } else if (bonus != nullptr) {
          seen = fma(fill(bonus[at]), fresh, old);
        }
        read = fma(fill(slot.receptance[at]), seen, read);
        store_part(t + i * size + c, next, left);
      }
      store_part(wkv + from + c, read, left);
    }
  }
}

// x -> x + W_o (norm(wkv) ⊙ gate); version 7 adds the slot's own value before the gate.
inline void read_out(const RwkvBlock& block, const mat_ros_network& net, Slot slot, float* wkv, float* x,
                     Workspace work) {
  const MatrixMix& mix = block.matrix;
  const int d = net.width, size = d / net.heads;
  float* mixed = work.take(d);
  for (int from = 0; from < d; from += size) {
    norm(size, kGroupEps, mix.group_gain + from, mix.group_bias + from, wkv + from, wkv + from);
    if (block.version != MAT_ROS_RWKV7) continue;
    F16 product = fill(0.0f);
    for (int c = 0; c < size; c += kLanes) {
      const int left = size - c;
      const F16 weight = load_part(slot.key + from + c, left) * load_part(mix.bonus + from + c, left);
      product = fma(load_part(slot.receptance + from + c, left), weight, product);
    }
    const F16 own = fill(sum(product));
    for (int c = 0; c < size; c += kLanes) {
      const int left = size - c;
      const F16 with_own = fma(own, load_part(slot.value + from + c, left), load_part(wkv + from + c, left));
      store_part(wkv + from + c, with_own, left);
    }
  }
  apply(d, wkv, wkv, [&](F16 a, int c) { return a * load(slot.gate + c); });
  linear(mix.out, wkv, mixed);
  add(x, mixed, d);
}

// State parts: att_x, wkv.
inline void matrix_mix_step(const RwkvBlock& block, const mat_ros_network& net, const float* normed, const float* in,
                            float* out, float* x, Workspace work) {
  const int d = net.width;
  const Slot slot(work.take(Slot::floats(d)), d);
  float* wkv = work.take(d);
  project(block, net, normed, in, slot, work);
  for (int c = 0; c < d; c += kLanes) {
    store_part(out + c, load(normed + c), d - c);
    store(wkv + c, fill(0.0f));
  }
  remember(block.version, slot, block.matrix.bonus, d, net.heads, in + d, out + d, wkv);
  read_out(block, net, slot, wkv, x, work);
}

inline void matrix_mix_rows(const RwkvBlock& block, const mat_ros_network& net, const float* normed, float* x,
                            Workspace work) {
  const int n = net.agents, d = net.width, stride = padded(d);
  float* slots = work.take(n * Slot::floats(d));
  float* wkv = work.take(static_cast<size_t>(n) * stride);
  const size_t memory_size = static_cast<size_t>(d) * (d / net.heads);
  float* memory = work.take(memory_size);
  float* nothing = work.take(d);
  memset(wkv, 0, static_cast<size_t>(n) * stride * sizeof(float));
  memset(nothing, 0, stride * sizeof(float));
  const auto slot = [&](int i) { return Slot(slots + i * Slot::floats(d), d); };

  for (int i = 0; i < n; ++i) {
    project(block, net, normed + i * stride, i > 0 ? normed + (i - 1) * stride : nothing, slot(i), work);
  }
  memset(memory, 0, memory_size * sizeof(float));
  for (int i = 0; i < n; ++i) {
    remember(block.version, slot(i), block.matrix.bonus, d, net.heads, memory, memory, wkv + i * stride);
  }
  if (net.bidirectional != 0) {  // again from the other end, without the slot itself, which has been read
    memset(memory, 0, memory_size * sizeof(float));
    for (int i = n - 1; i >= 0; --i) {
      remember(block.version, slot(i), nullptr, d, net.heads, memory, memory, wkv + i * stride);
    }
  }
  for (int i = 0; i < n; ++i) read_out(block, net, slot(i), wkv + i * stride, x + i * stride, work);
}
