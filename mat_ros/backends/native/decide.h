// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The decoders decide one slot at a time. They read the state from one array and write it to another or the same array.

constexpr float kNever = -1e30f;

// x -> LN(x + attention(x)) -> LN(enc + attention(enc, x)) -> LN(x + mlp(x)). `table` holds one row per slot, `stride`
// floats apart. The rows before `slot` are read, and the row of `slot` is written.
inline void attention_step(const AttentionBlock& block, const mat_ros_network& net, float* x, const float* enc,
                           float* table, size_t stride, int slot, Workspace work) {
  const int d = net.width;
  float* row = table + slot * stride;
  float* query = work.take(d);
  float* mixed = work.take(d);
  float* fresh = work.take(d);
  float* scores = work.take(slot + 1);

  const auto put = [&](const Linear& layer, const float* from, float* to) {
    linear(layer, from, fresh);
    for (int c = 0; c < d; c += kLanes) store_part(to + c, load(fresh + c), d - c);
  };
  const auto attention = [&](const Attention& mixer, const float* asker, int part) {  // writes its result to fresh
    put(mixer.key, x, row + part * d);
    put(mixer.value, x, row + (part + 1) * d);
    linear(mixer.query, asker, query);
    attend(query, table + part * d, table + (part + 1) * d, stride, slot + 1, net.heads, d, scores, mixed);
    linear(mixer.out, mixed, fresh);
  };

  attention(block.mixer, x, 0);
  add(x, fresh, d);
  norm(block.mixer_norm, x, x);

  attention(block.cross, enc, 2);
  for (int c = 0; c < d; c += kLanes) store(x + c, load_part(enc + c, d - c) + load(fresh + c));
  norm(block.cross_norm, x, x);

  linear(block.hidden, x, mixed);
  gelu(mixed, d);
  linear(block.out, mixed, fresh);
  add(x, fresh, d);
  norm(block.mlp_norm, x, x);
}

// x -> x + W_o (r ⊙ wkv(k, v)); state parts: att_x, num, den, max.
inline void time_mix4_step(const TimeMix4& mix, int d, const float* normed, const float* in, float* out, float* x,
                           Workspace work) {
  float* for_key = work.take(d);
  float* for_value = work.take(d);
  float* for_gate = work.take(d);
  float* key = work.take(d);
  float* value = work.take(d);
  float* gate = work.take(d);
  for (int c = 0; c < d; c += kLanes) {
    const F16 now = load(normed + c), before = load_part(in + c, d - c);
    store(for_key + c, blend(now, before, mix.mix_key + c));
    store(for_value + c, blend(now, before, mix.mix_value + c));
    store(for_gate + c, blend(now, before, mix.mix_receptance + c));
    store_part(out + c, now, d - c);
  }
  linear(mix.key, for_key, key);
  linear(mix.value, for_value, value);
  linear(mix.receptance, for_gate, gate);
  for (int c = 0; c < d; c += kLanes) {
    const int left = d - c;
    const F16 k = load(key + c), v = load(value + c);
    const Mean mean = {load_part(in + d + c, left), load_part(in + 2 * d + c, left), load_part(in + 3 * d + c, left)};
    store(gate + c, sigmoid(load(gate + c)) * recall(mean, load(mix.bonus + c), k, v));
    const Mean next = remember(mean, load(mix.rate + c), k, v);
    store_part(out + d + c, next.num, left);
    store_part(out + 2 * d + c, next.den, left);
    store_part(out + 3 * d + c, next.top, left);
  }
  linear(mix.out, gate, key);
  add(x, key, d);
}

// x -> x + sigmoid(W_r x_r) ⊙ W_v relu(W_k x_k)², or without the gate; state part: ffn_x.
inline void channel_mix_step(const ChannelMix& mix, int d, const float* normed, const float* in, float* out, float* x,
                             Workspace work) {
  float* for_key = work.take(d);
  float* for_gate = work.take(d);
  float* hidden = work.take(mix.key.out);
  float* gate = work.take(d);
  for (int c = 0; c < d; c += kLanes) {
    const F16 now = load(normed + c), before = load_part(in + c, d - c);
    store(for_key + c, blend(now, before, mix.mix_key + c));
    store(for_gate + c, blend(now, before, mix.mix_receptance + c));
    store_part(out + c, now, d - c);
  }
  linear(mix.key, for_key, hidden);
  for (int c = 0; c < mix.key.out; c += kLanes) {
    const F16 positive = max(fill(0.0f), load(hidden + c));
    store(hidden + c, positive * positive);
  }
  linear(mix.value, hidden, for_key);
  if (mix.receptance.in == 0) return add(x, for_key, d);
  linear(mix.receptance, for_gate, gate);
  for (int c = 0; c < d; c += kLanes) {
    store(x + c, fma(sigmoid(load(gate + c)), load(for_key + c), load(x + c)));
  }
}

inline void rwkv_step(const RwkvBlock& block, const mat_ros_network& net, float* x, const float* in, float* out,
                      int channel_part, Workspace work) {
  const int d = net.width;
  float* normed = work.take(d);
  norm(block.mixer_norm, x, normed);
  if (block.version == MAT_ROS_RWKV4) {
    time_mix4_step(block.mixer4, d, normed, in, out, x, work);
  } else {
    matrix_mix_step(block, net, normed, in, out, x, work);
  }
  norm(block.channel_norm, x, normed);
  channel_mix_step(block.channel, d, normed, in + channel_part, out + channel_part, x, work);
}

inline void decide(const Model& model, float* workspace, int first, int last, const float* enc, const float* previous,
                   const float* state_in, float* actions, float* state_out) {
  const mat_ros_network& net = model.net;
  const int d = net.width, row = model.state_row;
  Workspace work(workspace);
  float* x = work.take(d);
  float* y = work.take(d > net.act_dim ? d : net.act_dim);
  float* seen = work.take(net.enc_dim);  // input of the decoder: the observation where no encoding exists

  if (net.decoder == MAT_ROS_ATTENTION && state_in != state_out) {
    memcpy(state_out, state_in, static_cast<size_t>(first) * row * sizeof(float));
  }
  for (int slot = first; slot < last; ++slot, enc += net.enc_dim) {
    if (net.decoder == MAT_ROS_NO_MIXER) {
      for (int c = 0; c < net.enc_dim; c += kLanes) store(seen + c, load_part(enc + c, net.enc_dim - c));
      norm(model.decoder_observation_norm, seen, seen);
      linear(model.decoder_embed, seen, x);
    } else {
      linear(model.decoder_embed, previous, x);
    }
    gelu(x, d);
    if (net.decoder == MAT_ROS_ATTENTION) {
      norm(model.decoder_embed_norm, x, x);
      for (int b = 0; b < net.blocks; ++b) {
        float* table = state_out + static_cast<size_t>(b) * 4 * d;
        attention_step(model.decoder_attention[b], net, x, enc, table, row, slot, work);
      }
    } else if (net.decoder == MAT_ROS_NO_MIXER) {
      norm(model.decoder_embed_norm, x, x);
    } else {
      for (int c = 0; c < d; c += kLanes) store(x + c, load(x + c) + load_part(enc + c, d - c));
      const int size = row / net.blocks;
      for (int b = 0; b < net.blocks; ++b) {
        rwkv_step(model.decoder_rwkv[b], net, x, state_in + b * size, state_out + b * size, size - d, work);
      }
      norm(model.decoder_final_norm, x, x);
      state_in = state_out;
    }
    head(model.head, x, y, seen);
    const float* mask = model.action_mask + static_cast<size_t>(slot) * net.act_dim;
    for (int a = 0; a < net.act_dim; ++a) actions[a] = mask[a] != 0.0f ? seen[a] : 0.0f;
    previous = actions;
    actions += net.act_dim;
  }
}
