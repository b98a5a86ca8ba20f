// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The parameters of a policy in the form of the kernels: vectors padded to whole F16s, matrices cut into panels of
// outputs.
//
// This header contains plain data only: the linker could keep a function compiled for one instruction set for all sets.
#ifndef MAT_ROS_MODEL_H_
#define MAT_ROS_MODEL_H_

#include <stddef.h>

#include "mat_ros_native.h"

namespace mat_ros {

constexpr int kLanes = 16;  // floats that a kernel processes at once, on every instruction set
constexpr int kPanel = 64;  // outputs of a matrix that lie side by side

static constexpr int padded(int n) { return (n + kLanes - 1) / kLanes * kLanes; }

// y = W x + bias. Weights are input-major in panels: weight[panel][input][output in panel].
struct Linear {
  int in = 0, out = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;  // padded(out), zeros where the layer has no bias
};

struct Norm {
  int size = 0;
  const float* gain = nullptr;  // padded(size), zeros after size
  const float* bias = nullptr;
};

struct Head {
  Linear hidden;
  Norm norm;
  Linear out;
};

struct Attention {
  Linear query, key, value, out;
};

// MAT's block. Encoders have no cross attention.
struct AttentionBlock {
  Attention mixer, cross;
  Norm mixer_norm, cross_norm, mlp_norm;
  Linear hidden, out;
};

struct TimeMix4 {
  const float *mix_key, *mix_value, *mix_receptance;  // (d,)
  const float *rate, *bonus;                          // (d,)
  Linear key, value, receptance, out;
};

// The uses for which versions 5, 6 and 7 blend a slot's input with its neighbour's: one blend per use.
enum Use { kDecay, kKey, kValue, kReceptance, kGate, kRate, kUses };

// Versions 5, 6 and 7. The memory is a matrix per head. Fields that a version does not have stay empty.
struct MatrixMix {
  const float* look[kUses] = {};    // (d,): 0 takes this slot, 1 the slot before
  const float* look_any = nullptr;  // 6: (d,)
  Linear look_down, look_up[kUses];  // 6: a low-rank correction of each blend
  const float* decay = nullptr;      // 5: e^-rate; 6: log rate; 7: logit of the rate, (d,)
  Linear decay_down, decay_up;       // 6, 7
  const float* rate = nullptr;       // 7: (d,)
  Linear rate_down, rate_up;         // 7
  const float *remove_scale = nullptr, *replace_scale = nullptr;  // 7: (d,)
  Linear gate_down, gate_up;                                      // 7
  const float* bonus = nullptr;                                   // (d,)
  Linear key, value, receptance, gate, out;
  const float *group_gain = nullptr, *group_bias = nullptr;  // (d,)
};

struct ChannelMix {
  const float *mix_key, *mix_receptance;  // (d,)
  Linear key, receptance, value;          // version 7 has no receptance
};

struct RwkvBlock {
  int version;
  Norm mixer_norm, channel_norm;
  TimeMix4 mixer4;
  MatrixMix matrix;
  ChannelMix channel;
};

struct Observer {
  const float *mean, *std, *observed;  // (n, obs_dim)
  float clip;
  int width;  // obs_dim, plus n where the observation contains the agent's number
};

struct Model {
  mat_ros_network net;
  Observer observer;
  const float* action_mask;  // (n, act_dim)

  Norm observation_norm, embed_norm, final_norm;
  Linear embed;
  const AttentionBlock* encoder_attention = nullptr;  // net.blocks of one kind, none of the other
  const RwkvBlock* encoder_rwkv = nullptr;
  Head value_head;

  Norm decoder_observation_norm, decoder_embed_norm, decoder_final_norm;
  Linear decoder_embed;
  const AttentionBlock* decoder_attention = nullptr;
  const RwkvBlock* decoder_rwkv = nullptr;
  Head head;

  int state_row = 0;  // floats
};

// The operands of the operator mat_ros::WKV: key, value, out (batch, slots, width), the states (batch, width).
struct Wkv {
  size_t batch, slots, width;
  const float *key, *value, *rate, *bonus;  // rate, bonus (width,)
  const float *num, *den, *top;
  float *out, *next_num, *next_den, *next_top;
};

// The functions of one instruction set that run a model.
struct Path {
  const char* name;
  void (*encode)(const Model& model, float* workspace, const float* obs, float* enc, float* values);
  void (*decide)(const Model& model, float* workspace, int first, int last, const float* enc, const float* previous,
                 const float* state_in, float* actions, float* state_out);
  void (*wkv4)(const Wkv& operands);
};

// Return the fastest path that this processor can run.
const Path& best_path();

}  // namespace mat_ros

#endif  // MAT_ROS_MODEL_H_
