// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The encoders compute all slots of a tick together. Each loaded weight is used for several rows.

// Normalise the raw observations, and append each agent's number where the policy was trained with it.
inline void observe(const Model& model, const float* obs, float* rows, int stride) {
  const mat_ros_network& net = model.net;
  const Observer& seen = model.observer;
  for (int i = 0; i < net.agents; ++i) {
    float* row = rows + static_cast<size_t>(i) * stride;
    for (int c = 0; c < stride; ++c) row[c] = 0.0f;
    for (int c = 0; c < net.obs_dim; ++c) {
      const int at = i * net.obs_dim + c;
      float normal = (obs[at] - seen.mean[at]) / seen.std[at];
      normal = -seen.clip > normal ? -seen.clip : normal;
      normal = seen.clip < normal ? seen.clip : normal;
      row[c] = seen.observed[at] != 0.0f ? normal : 0.0f;
    }
    if (seen.width > net.obs_dim) row[net.obs_dim + i] = 1.0f;
  }
}

inline void attention_rows(const AttentionBlock& block, const mat_ros_network& net, float* x, Workspace work) {
  const int n = net.agents, d = net.width, stride = padded(d);
  float* query = work.take(static_cast<size_t>(n) * stride);
  float* key = work.take(static_cast<size_t>(n) * stride);
  float* value = work.take(static_cast<size_t>(n) * stride);
  float* mixed = work.take(static_cast<size_t>(n) * stride);
  float* scores = work.take(n);
  linear(block.mixer.query, n, x, stride, query, stride);
  linear(block.mixer.key, n, x, stride, key, stride);
  linear(block.mixer.value, n, x, stride, value, stride);
  for (int i = 0; i < n; ++i) {
    attend(query + i * stride, key, value, stride, n, net.heads, d, scores, mixed + i * stride);
  }
  linear(block.mixer.out, n, mixed, stride, query, stride);
  for (int i = 0; i < n; ++i) {
    add(x + i * stride, query + i * stride, d);
    norm(block.mixer_norm, x + i * stride, x + i * stride);
  }
  linear(block.hidden, n, x, stride, key, stride);
  gelu(key, n * stride);
  linear(block.out, n, key, stride, value, stride);
  for (int i = 0; i < n; ++i) {
    add(x + i * stride, value + i * stride, d);
    norm(block.mlp_norm, x + i * stride, x + i * stride);
  }
}

// gate <- sigmoid(gate) ⊙ wkv(key, value), along the slots, or from both sides at once. `after` holds n * stride * 3.
inline void wkv4_rows(const TimeMix4& mix, int n, int d, bool bidirectional, const float* key, const float* value,
                      float* gate, float* after) {
  const int stride = padded(d);
  for (int c = 0; c < d; c += kLanes) {
    const F16 rate = load(mix.rate + c), bonus = load(mix.bonus + c);
    Mean mean = {fill(0.0f), fill(0.0f), fill(kNever)};
    for (int i = n - 1; bidirectional && i >= 0; --i) {  // for each slot, the sums over the later slots
      float* kept = after + static_cast<size_t>(i) * 3 * kLanes;
      store(kept, mean.num), store(kept + kLanes, mean.den), store(kept + 2 * kLanes, mean.top);
      mean = remember(mean, rate, load(key + i * stride + c), load(value + i * stride + c));
    }
    mean = {fill(0.0f), fill(0.0f), fill(kNever)};
    for (int i = 0; i < n; ++i) {
      const F16 k = load(key + i * stride + c), v = load(value + i * stride + c);
      Mean heard = mean;
      if (bidirectional) {
        const float* kept = after + static_cast<size_t>(i) * 3 * kLanes;
        const F16 num = load(kept), den = load(kept + kLanes), top = load(kept + 2 * kLanes);
        heard.top = max(mean.top, top);
        const F16 before = exp(mean.top - heard.top), behind = exp(top - heard.top);
        heard.num = fma(before, mean.num, behind * num);
        heard.den = fma(before, mean.den, behind * den);
      }
      store(gate + i * stride + c, sigmoid(load(gate + i * stride + c)) * recall(heard, bonus, k, v));
      mean = remember(mean, rate, k, v);
    }
  }
}

// Blend each row with the row before, and the first row with zeros.
inline void blend_rows(int n, int stride, const float* x, const float* mix, float* y) {
  for (int i = 0; i < n; ++i) {
    for (int c = 0; c < stride; c += kLanes) {
      const F16 before = i > 0 ? load(x + (i - 1) * stride + c) : fill(0.0f);
      store(y + i * stride + c, blend(load(x + i * stride + c), before, mix + c));
    }
  }
}

inline void time_mix4_rows(const TimeMix4& mix, const mat_ros_network& net, const float* normed, float* x,
                           Workspace work) {
  const int n = net.agents, stride = padded(net.width);
  const size_t size = static_cast<size_t>(n) * stride;
  float* blended = work.take(size);
  float* key = work.take(size);
  float* value = work.take(size);
  float* gate = work.take(size);
  float* after = work.take(static_cast<size_t>(n) * 3 * kLanes);
  const auto project = [&](const float* part, const Linear& layer, float* y) {
    blend_rows(n, stride, normed, part, blended);
    linear(layer, n, blended, stride, y, stride);
  };
  project(mix.mix_key, mix.key, key);
  project(mix.mix_value, mix.value, value);
  project(mix.mix_receptance, mix.receptance, gate);
  wkv4_rows(mix, n, net.width, net.bidirectional != 0, key, value, gate, after);
  linear(mix.out, n, gate, stride, value, stride);
  add(x, value, static_cast<int>(size));
}

inline void channel_mix_rows(const ChannelMix& mix, const mat_ros_network& net, const float* normed, float* x,
                             Workspace work) {
  const int n = net.agents, stride = padded(net.width), wide = padded(mix.key.out);
  const size_t size = static_cast<size_t>(n) * stride;
  float* blended = work.take(size);
  float* hidden = work.take(static_cast<size_t>(n) * wide);
  float* value = work.take(size);
  float* gate = work.take(size);
  blend_rows(n, stride, normed, mix.mix_key, blended);
  linear(mix.key, n, blended, stride, hidden, wide);
  for (int c = 0; c < n * wide; c += kLanes) {
    const F16 positive = max(fill(0.0f), load(hidden + c));
    store(hidden + c, positive * positive);
  }
  linear(mix.value, n, hidden, wide, value, stride);
  if (mix.receptance.in == 0) return add(x, value, static_cast<int>(size));
  blend_rows(n, stride, normed, mix.mix_receptance, blended);
  linear(mix.receptance, n, blended, stride, gate, stride);
  for (size_t c = 0; c < size; c += kLanes) {
    store(x + c, fma(sigmoid(load(gate + c)), load(value + c), load(x + c)));
  }
}

inline void rwkv_rows(const RwkvBlock& block, const mat_ros_network& net, float* x, Workspace work) {
  const int n = net.agents, stride = padded(net.width);
  float* normed = work.take(static_cast<size_t>(n) * stride);
  for (int i = 0; i < n; ++i) norm(block.mixer_norm, x + i * stride, normed + i * stride);
  if (block.version == MAT_ROS_RWKV4) {
    time_mix4_rows(block.mixer4, net, normed, x, work);
  } else {
    matrix_mix_rows(block, net, normed, x, work);
  }
  for (int i = 0; i < n; ++i) norm(block.channel_norm, x + i * stride, normed + i * stride);
  channel_mix_rows(block.channel, net, normed, x, work);
}

inline void encode(const Model& model, float* workspace, const float* obs, float* enc, float* values) {
  const mat_ros_network& net = model.net;
  const int n = net.agents, d = net.width, stride = padded(d), seen = padded(model.observer.width);
  Workspace work(workspace);
  float* rows = work.take(static_cast<size_t>(n) * seen);
  float* x = work.take(static_cast<size_t>(n) * stride);
  observe(model, obs, rows, seen);
  if (net.decoder == MAT_ROS_NO_MIXER) {
    for (int i = 0; i < n; ++i) memcpy(enc + i * net.enc_dim, rows + i * seen, net.enc_dim * sizeof(float));
  }
  for (int i = 0; i < n; ++i) norm(model.observation_norm, rows + i * seen, rows + i * seen);
  linear(model.embed, n, rows, seen, x, stride);
  gelu(x, n * stride);
  for (int i = 0; i < n; ++i) norm(model.embed_norm, x + i * stride, x + i * stride);
  for (int b = 0; b < net.blocks; ++b) {
    if (net.encoder == MAT_ROS_ATTENTION) {
      attention_rows(model.encoder_attention[b], net, x, work);
    } else {
      rwkv_rows(model.encoder_rwkv[b], net, x, work);
    }
  }
  float* hidden = work.take(d);
  float* value = work.take(kLanes);
  for (int i = 0; i < n; ++i) {
    float* row = x + i * stride;
    if (net.encoder != MAT_ROS_ATTENTION) norm(model.final_norm, row, row);
    if (net.decoder != MAT_ROS_NO_MIXER) memcpy(enc + i * d, row, d * sizeof(float));
    head(model.value_head, row, hidden, value);
    values[i] = value[0];
  }
}
