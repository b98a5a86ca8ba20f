// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0

#include "loader.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <set>

namespace mat_ros {
namespace {

constexpr float kLogDecayLimit = 60.0f;  // as in training; above it e^log_decay may overflow

class Loader {
 public:
  Loader(const File& file, const mat_ros_network& net, LoadedModel& out)
      : file_(file.name), tensors_(read_safetensors(file)), net_(net), out_(out) {}

  void load() {
    Model& model = out_.model;
    model.net = net_;
    const size_t seen = static_cast<size_t>(net_.agents) * net_.obs_dim;
    const int width = static_cast<int>(find("encoder.observation_norm.weight").values.size());
    if (width != net_.obs_dim && width != net_.obs_dim + net_.agents) {
      refuse("encoder.observation_norm.weight", std::to_string(net_.obs_dim) + " numbers", std::to_string(width));
    }
    model.observer.mean = keep(net_.mean, seen, seen);
    model.observer.std = keep(net_.std, seen, seen);
    model.observer.observed = keep(net_.observed, seen, seen);
    model.observer.clip = net_.clip;
    model.observer.width = width;
    const size_t actions = static_cast<size_t>(net_.agents) * net_.act_dim;
    model.action_mask = keep(net_.action_mask, actions, actions);
    model.net.mean = model.net.std = model.net.observed = model.net.action_mask = nullptr;  // the caller owns these
    load_encoder(model, width);
    load_decoder(model, width);
    used_.insert("actions.log_std");  // the manifest has the standard deviations
    for (const auto& [name, tensor] : tensors_) {  // a bias under a wrong name must not pass for a layer without bias
      if (used_.count(name) == 0) refuse("tensors", "those of the policy only", "also " + name);
    }
  }

 private:
  void load_encoder(Model& model, int width) {
    const int d = net_.width;
    model.observation_norm = norm("encoder.observation_norm", width);
    model.embed = linear("encoder.embed", width, d);
    model.embed_norm = norm("encoder.embed_norm", d);
    for (int b = 0; b < net_.blocks; ++b) {
      const std::string name = "encoder.blocks." + std::to_string(b);
      if (net_.encoder == MAT_ROS_ATTENTION) {
        out_.encoder_attention.push_back(attention_block(name, false));
      } else {
        out_.encoder_rwkv.push_back(rwkv_block(name, net_.encoder));
      }
    }
    model.encoder_attention = out_.encoder_attention.data();
    model.encoder_rwkv = out_.encoder_rwkv.data();
    if (net_.encoder != MAT_ROS_ATTENTION) model.final_norm = norm("encoder.final_norm", d);
    model.value_head = head("value_head", 1);
  }

  void load_decoder(Model& model, int width) {
    const int d = net_.width;
    const bool alone = net_.decoder == MAT_ROS_NO_MIXER;
    if (net_.enc_dim != (alone ? width : d)) {
      refuse("enc_dim", std::to_string(alone ? width : d), std::to_string(net_.enc_dim));
    }
    if (alone) model.decoder_observation_norm = norm("decoder.observation_norm", width);
    model.decoder_embed = linear("decoder.embed", alone ? width : net_.act_dim, d);
    if (alone || net_.decoder == MAT_ROS_ATTENTION) model.decoder_embed_norm = norm("decoder.embed_norm", d);
    for (int b = 0; !alone && b < net_.blocks; ++b) {
      const std::string name = "decoder.blocks." + std::to_string(b);
      if (net_.decoder == MAT_ROS_ATTENTION) {
        out_.decoder_attention.push_back(attention_block(name, true));
      } else {
        out_.decoder_rwkv.push_back(rwkv_block(name, net_.decoder));
      }
    }
    model.decoder_attention = out_.decoder_attention.data();
    model.decoder_rwkv = out_.decoder_rwkv.data();
    if (!alone && net_.decoder != MAT_ROS_ATTENTION) model.decoder_final_norm = norm("decoder.final_norm", d);
    model.head = head("decoder.head", net_.act_dim);
    model.state_row = alone ? 0 : net_.blocks * block_state(d);
  }

  int block_state(int d) const {  // floats of one block's state, or of its row
    if (net_.decoder == MAT_ROS_ATTENTION) return 4 * d;
    if (net_.decoder == MAT_ROS_RWKV4) return 5 * d;
    return 2 * d + d * (d / net_.heads);
  }

  AttentionBlock attention_block(const std::string& name, bool cross) {
    const int d = net_.width;
    AttentionBlock block;
    block.mixer.query = linear(name + ".mixer.query_key_value", d, d, 0, 3);
    block.mixer.key = linear(name + ".mixer.query_key_value", d, d, 1, 3);
    block.mixer.value = linear(name + ".mixer.query_key_value", d, d, 2, 3);
    block.mixer.out = linear(name + ".mixer.out", d, d);
    block.mixer_norm = norm(name + ".mixer_norm", d);
    if (cross) {
      block.cross.query = linear(name + ".cross.query", d, d);
      block.cross.key = linear(name + ".cross.key_value", d, d, 0, 2);
      block.cross.value = linear(name + ".cross.key_value", d, d, 1, 2);
      block.cross.out = linear(name + ".cross.out", d, d);
      block.cross_norm = norm(name + ".cross_norm", d);
    }
    block.hidden = linear(name + ".mlp.hidden", d, d);
    block.out = linear(name + ".mlp.out", d, d);
    block.mlp_norm = norm(name + ".mlp_norm", d);
    return block;
  }

  RwkvBlock rwkv_block(const std::string& name, int version) {
    const int d = net_.width;
    RwkvBlock block{};
    block.version = version;
    block.mixer_norm = norm(name + ".mixer_norm", d);
    if (version == MAT_ROS_RWKV4) {
      block.mixer4 = time_mix4(name + ".mixer");
    } else {
      block.matrix = matrix_mix(name + ".mixer", version);
    }
    block.channel_norm = norm(name + ".channel_norm", d);
    block.channel.mix_key = channels(name + ".channel.mix_key");
    block.channel.key = linear(name + ".channel.key", d, 4 * d);
    block.channel.value = linear(name + ".channel.value", 4 * d, d);
    if (version == MAT_ROS_RWKV7) {
      block.channel.mix_receptance = block.channel.mix_key;  // the blend is not used, but its array must exist
    } else {
      block.channel.mix_receptance = channels(name + ".channel.mix_receptance");
      block.channel.receptance = linear(name + ".channel.receptance", d, d);
    }
    return block;
  }

  TimeMix4 time_mix4(const std::string& name) {
    const int d = net_.width;
    std::vector<float> rate = find(name + ".log_decay", {d}).values;
    for (float& w : rate) w = std::exp(std::min(w, kLogDecayLimit));
    return {channels(name + ".mix_key"),   channels(name + ".mix_value"), channels(name + ".mix_receptance"),
            keep(rate.data(), d, padded(d)), channels(name + ".bonus"),     linear(name + ".key", d, d),
            linear(name + ".value", d, d),  linear(name + ".receptance", d, d), linear(name + ".out", d, d)};
  }

  MatrixMix matrix_mix(const std::string& name, int version) {
    const int d = net_.width;
    MatrixMix mix;
    mix.bonus = channels(name + ".bonus");
    mix.key = linear(name + ".key", d, d);
    mix.value = linear(name + ".value", d, d);
    mix.receptance = linear(name + ".receptance", d, d);
    mix.out = linear(name + ".out", d, d);
    mix.group_gain = channels(name + ".group_norm.weight");
    mix.group_bias = channels(name + ".group_norm.bias");
    if (version == MAT_ROS_RWKV5) {
      mix.look[kKey] = looks_back(name + ".mix_key");
      mix.look[kValue] = looks_back(name + ".mix_value");
      mix.look[kReceptance] = looks_back(name + ".mix_receptance");
      mix.look[kGate] = looks_back(name + ".mix_gate");
      std::vector<float> decay = find(name + ".log_decay", {d}).values;
      for (float& w : decay) w = std::exp(-std::exp(std::min(w, kLogDecayLimit)));
      mix.decay = keep(decay.data(), d, padded(d));
      mix.gate = linear(name + ".gate", d, d);
      return mix;
    }
    mix.decay_down = low_rank(name + ".decay_down");
    mix.decay_up = linear(name + ".decay_up", mix.decay_down.out, d);
    if (version == MAT_ROS_RWKV6) {
      const Use order[] = {kDecay, kKey, kValue, kReceptance, kGate};
      for (int u = 0; u < kRate; ++u) mix.look[order[u]] = row(name + ".look", u, kRate);
      mix.look_any = channels(name + ".look_any");
      mix.look_down = low_rank(name + ".look_down");
      const int rank = mix.look_down.out / kRate;
      for (int u = 0; u < kRate; ++u) mix.look_up[order[u]] = input_major(name + ".look_up", u, rank, kRate);
      mix.decay = channels(name + ".log_decay");
      mix.gate = linear(name + ".gate", d, d);
      return mix;
    }
    const Use order[] = {kReceptance, kDecay, kKey, kValue, kRate, kGate};
    for (int u = 0; u < kUses; ++u) mix.look[order[u]] = row(name + ".look", u, kUses);
    mix.decay = channels(name + ".decay_base");
    mix.rate = channels(name + ".rate_base");
    mix.rate_down = low_rank(name + ".rate_down");
    mix.rate_up = linear(name + ".rate_up", mix.rate_down.out, d);
    mix.gate_down = low_rank(name + ".gate_down");
    mix.gate_up = linear(name + ".gate_up", mix.gate_down.out, d);
    mix.remove_scale = channels(name + ".remove_scale");
    mix.replace_scale = channels(name + ".replace_scale");
    return mix;
  }

  const float* looks_back(const std::string& name) {  // version 5 stores 1 for this slot and 0 for the slot before
    std::vector<float> mix = find(name, {net_.width}).values;
    for (float& m : mix) m = 1.0f - m;
    return keep(mix.data(), mix.size(), padded(net_.width));
  }

  const float* row(const std::string& name, int index, int rows) {
    const Tensor& tensor = find(name, {rows, net_.width});
    return keep(tensor.values.data() + static_cast<size_t>(index) * net_.width, net_.width, padded(net_.width));
  }

  Linear low_rank(const std::string& name) {  // the file sets the rank
    const Tensor& tensor = find(name + ".weight");
    if (tensor.shape.size() != 2 || tensor.shape[0] < 1 || tensor.shape[0] > 4L * net_.width) {
      refuse(name + ".weight", "rank x " + std::to_string(net_.width), text(tensor.shape));
    }
    return linear(name, net_.width, static_cast<int>(tensor.shape[0]));
  }

  // Return a matrix that is stored with its inputs first: tensor[index][input][output].
  Linear input_major(const std::string& name, int index, int in, int count) {
    const int out = net_.width;
    const float* rows = find(name, {count, in, out}).values.data() + static_cast<size_t>(index) * in * out;
    std::vector<float> turned(static_cast<size_t>(in) * out);
    for (int i = 0; i < in; ++i) {
      for (int o = 0; o < out; ++o) turned[static_cast<size_t>(o) * in + i] = rows[static_cast<size_t>(i) * out + o];
    }
    return panels(turned.data(), in, out, fresh(padded(out)));
  }

  Head head(const std::string& name, int outputs) {
    return {linear(name + ".hidden", net_.width, net_.width), norm(name + ".norm", net_.width),
            linear(name + ".out", net_.width, outputs)};
  }

  Norm norm(const std::string& name, int size) {
    Norm layer;
    layer.size = size;
    layer.gain = keep(find(name + ".weight", {size}).values.data(), size, padded(size));
    layer.bias = bias(name, size, 0);
    return layer;
  }

  // Return matrix `part` of `parts` matrices that are stacked by rows in one tensor.
  Linear linear(const std::string& name, int in, int out, int part = 0, int parts = 1) {
    const float* rows = find(name + ".weight", {static_cast<long>(out) * parts, in}).values.data();
    rows += static_cast<size_t>(part) * out * in;
    return panels(rows, in, out, bias(name, out, static_cast<size_t>(part) * out));
  }

  // Return the panels of a matrix that is stored with one row per output.
  Linear panels(const float* rows, int in, int out, const float* bias) {
    float* weight = fresh(static_cast<size_t>(padded(out)) * in);
    for (int o = 0; o < out; ++o) {
      const int panel = o / kPanel * kPanel, width = std::min(kPanel, padded(out) - panel);
      float* first = weight + static_cast<size_t>(panel) * in + (o - panel);
      for (int i = 0; i < in; ++i) first[static_cast<size_t>(i) * width] = rows[static_cast<size_t>(o) * in + i];
    }
    Linear layer;
    layer.in = in;
    layer.out = out;
    layer.weight = weight;
    layer.bias = bias;
    return layer;
  }

  const float* bias(const std::string& name, int size, size_t from) {
    const auto found = tensors_.find(name + ".bias");
    if (found == tensors_.end()) return fresh(padded(size));
    used_.insert(found->first);
    if (found->second.values.size() < from + size) refuse(name + ".bias", std::to_string(from + size), "fewer numbers");
    return keep(found->second.values.data() + from, size, padded(size));
  }

  const float* channels(const std::string& name) {
    return keep(find(name, {net_.width}).values.data(), net_.width, padded(net_.width));
  }

  const Tensor& find(const std::string& name) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) refuse(name, "a tensor of this name", "none");
    used_.insert(name);
    return found->second;
  }

  const Tensor& find(const std::string& name, const std::vector<long>& shape) {
    const Tensor& tensor = find(name);
    if (tensor.shape != shape) refuse(name, "shape " + text(shape), text(tensor.shape));
    return tensor;
  }

  [[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& got) const {
    throw Refused(file_ + ", " + what + ": expected " + expected + ", got " + got + "; export the policy anew");
  }

  static std::string text(const std::vector<long>& shape) {
    std::string all;
    for (long size : shape) all += (all.empty() ? "" : " x ") + std::to_string(size);
    return all;
  }

  const float* keep(const float* values, size_t count, size_t room) {
    float* copy = fresh(room);
    std::copy(values, values + count, copy);
    return copy;
  }

  float* fresh(size_t floats) {  // zeros, on a cache line's boundary
    const size_t bytes = (std::max<size_t>(floats, 1) * sizeof(float) + 63) / 64 * 64;
    void* memory = aligned_alloc(64, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    memset(memory, 0, bytes);
    out_.memory.emplace_back(static_cast<float*>(memory), free);
    return static_cast<float*>(memory);
  }

  const std::string& file_;
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> used_;
  const mat_ros_network& net_;
  LoadedModel& out_;
};

}  // namespace

std::unique_ptr<LoadedModel> load_model(const File& weights, const mat_ros_network& net) {
  auto loaded = std::make_unique<LoadedModel>();
  Loader(weights, net, *loaded).load();
  return loaded;
}

}  // namespace mat_ros
