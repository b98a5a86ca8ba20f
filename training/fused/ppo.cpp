// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// PPO over a sequence policy as one compiled loop: loss, gradients, value normaliser, gradient clipping, Adam,
// decoding.
//
// A minibatch is cut into chunks of samples whose activations stay in the L2 cache. Each worker takes a fixed part of
// the chunks, and gradients are summed in the workers' order. The same number of threads therefore computes the same
// bits.

#include <atomic>
#include <barrier>
#include <functional>
#include <string>
#include <thread>

#include "network.hpp"

namespace fused {

struct Config {  // mirrored by training/fused/library.py
  int32_t slots, obs, act, width, blocks, heads, threads, chunk;
  int32_t ratio_of_agent;  // 1 clips the product over an agent's dimensions
  int32_t encoder_attends, decoder_attends, encoder_causal;
  float learning_rate, epsilon, clip, huber, entropy, value_weight, gradient_norm, std_scale;
  double forget, least_weight, least_variance;  // of the value normaliser
};

struct Batch {  // mirrored by training/fused/library.py; all arrays are (sample, slot, ...)
  const float *obs, *actions, *told, *log_probs, *values, *returns, *advantages;
  const int64_t* order;  // numbers of the samples, minibatch after minibatch
  int32_t minibatches, size;
};

constexpr int SCORES = 5;  // policy loss, value loss, entropy, clipped fraction, divergence
constexpr float LOG_TWO_PI = 1.8378770664093453f;

class Learner {
 public:
  Learner(const Config& config, const int64_t* offsets, const float* mask, float* parameters, float* first, float* second,
          double* moments, int64_t size)
      : config_(config), sizes_{config.slots, config.obs, config.act, config.width, config.blocks, config.heads},
        kinds_{config.encoder_attends != 0, config.decoder_attends != 0, config.encoder_causal != 0},
        builder_{offsets, &arena_, {}, 0}, network_(builder_, sizes_, kinds_), mask_(mask), parameters_(parameters), first_(first),
        second_(second), moments_(moments), size_(size), log_std_(static_cast<long>(*builder_.offsets)) {
    log_std_gradient_ = builder_.padded_size;
    builder_.padded_size += padded(config.act);
    for (int i = 0; i < config.slots * config.act; ++i) mask_count_ += mask[i] != 0.0f;
    flat_ = arena_.floats(static_cast<size_t>(size));
    for (int w = 0; w < config.threads; ++w) workers_.push_back(std::make_unique<Worker>(*this));
  }

  // `share` (sample, slot, act) is the part of each action that its joint really does. The next slot receives action *
  // share, or the action where no share is given.
  void act(const float* obs, const float* noise, const float* share, int samples, float* actions, float* log_probs, float* values) {
    network_.pack(parameters_);
    spread();
    Worker& worker = *workers_[0];
    for (int from = 0; from < samples; from += config_.chunk) {
      const int count = std::min(config_.chunk, samples - from);
      const long tokens = static_cast<long>(from) * sizes_.slots;
      worker.load(obs + tokens * sizes_.obs, count);
      network_.encode(worker.seen, {0, 1, count * sizes_.slots});
      for (int slot = 0; slot < sizes_.slots; ++slot) {
        network_.decode(worker.seen, {slot, sizes_.slots, count});
        for (int s = 0; s < count; ++s) {
          const long token = s * sizes_.slots + slot, at = (tokens + token) * sizes_.act;
          values[tokens + token] = worker.seen.value.result[token * LANES];
          decide(worker, token, slot, noise ? noise + at : nullptr, share ? share + at : nullptr, actions + at, log_probs + at);
        }
      }
    }
  }

  void values(const float* obs, int samples, float* values) {
    network_.pack(parameters_);
    Worker& worker = *workers_[0];
    for (int from = 0; from < samples; from += config_.chunk) {
      const int count = std::min(config_.chunk, samples - from), tokens = count * sizes_.slots;
      const long at = static_cast<long>(from) * sizes_.slots;
      worker.load(obs + at * sizes_.obs, count);
      network_.encode(worker.seen, {0, 1, tokens});
      for (int t = 0; t < tokens; ++t) values[at + t] = worker.seen.value.result[t * LANES];
    }
  }

  // Adds the mean scores of the minibatches to `scores` and returns the number of optimiser steps so far.
  int64_t train(const Batch& batch, int64_t steps, double* scores) {
    std::barrier<> gate(config_.threads);
    const auto work = [&](int w) {
      for (int m = 0; m < batch.minibatches; ++m) {
        if (w == 0) prepare(batch, m);
        gate.arrive_and_wait();
        learn(batch, m, *workers_[w], w);
        gate.arrive_and_wait();
        if (w == 0) step(++steps, scores);
      }
    };
    std::vector<std::thread> others;
    for (int w = 1; w < config_.threads; ++w) others.emplace_back(work, w);
    work(0);
    for (auto& other : others) other.join();
    return steps;
  }

 private:
  struct Worker {
    Scratch scratch;
    Network::Seen seen;
    float* gradients;
    double scores[SCORES];
    const Sizes& sizes;
    explicit Worker(const Learner& owner)
        : scratch(owner.config_.chunk * owner.sizes_.slots), seen(scratch, owner.sizes_, owner.kinds_),
          gradients(scratch.arena.floats(owner.builder_.padded_size)), scores{}, sizes(owner.sizes_) {}

    void load(const float* obs, int samples) {
      for (int t = 0; t < samples * sizes.slots; ++t) load_token(t, obs + static_cast<long>(t) * sizes.obs);
      for (int s = 0; s < samples; ++s)
        std::memset(seen.previous + static_cast<long>(s) * sizes.slots * padded(sizes.act), 0, sizeof(float) * sizes.act);
    }
    void load_token(int token, const float* obs) {
      std::memcpy(seen.obs + static_cast<long>(token) * padded(sizes.obs), obs, sizeof(float) * sizes.obs);
    }
  };

  // Computes the spread of actions: standard deviation, and its slope by the parameter.
  void spread() {
    std_.resize(sizes_.act);
    slope_.resize(sizes_.act);
    for (int k = 0; k < sizes_.act; ++k) {
      const float s = 1.0f / (1.0f + std::exp(-parameters_[log_std_ + k]));
      std_[k] = s * config_.std_scale;
      slope_[k] = s * (1.0f - s) * config_.std_scale;
    }
  }

  float log_probability(float action, float mean, int k) const {
    const float off = (action - mean) / std_[k];
    return -0.5f * off * off - (std::log(std_[k]) + 0.5f * LOG_TWO_PI);
  }

  void decide(Worker& worker, long token, int slot, const float* noise, const float* share, float* action,
              float* log_prob) const {
    const int row = padded(sizes_.act);
    for (int k = 0; k < sizes_.act; ++k) {
      const bool exists = mask_[slot * sizes_.act + k] != 0.0f;
      const float mean = worker.seen.action.result[token * row + k];
      action[k] = exists ? (noise ? std::fma(std_[k], noise[k], mean) : mean) : 0.0f;
      log_prob[k] = exists ? log_probability(action[k], mean, k) : 0.0f;
      if (slot + 1 < sizes_.slots) worker.seen.previous[(token + 1) * row + k] = share ? action[k] * share[k] : action[k];
    }
  }

  // Prepares a minibatch for all workers: packs the weights, computes the spread, adds the returns to the normaliser.
  void prepare(const Batch& batch, int m) {
    network_.pack(parameters_);
    spread();
    double mean = 0.0, square = 0.0;
    for (int s = 0; s < batch.size; ++s) {
      const float* returns = batch.returns + batch.order[static_cast<long>(m) * batch.size + s] * sizes_.slots;
      for (int i = 0; i < sizes_.slots; ++i) {
        mean += returns[i];
        square += static_cast<double>(returns[i]) * returns[i];
      }
    }
    const double count = static_cast<double>(batch.size) * sizes_.slots, forget = config_.forget, learn = 1.0 - forget;
    moments_[0] = moments_[0] * forget + mean / count * learn;
    moments_[1] = moments_[1] * forget + square / count * learn;
    moments_[2] = moments_[2] * forget + learn;
    const double weight = std::max(moments_[2], config_.least_weight), center = moments_[0] / weight;
    return_mean_ = static_cast<float>(center);
    return_std_ = static_cast<float>(std::sqrt(std::max(moments_[1] / weight - center * center, config_.least_variance)));
  }

  // Sums the gradients and scores of worker `w`'s part of a minibatch.
  void learn(const Batch& batch, int m, Worker& worker, int w) {
    std::memset(worker.gradients, 0, sizeof(float) * builder_.padded_size);
    std::fill(worker.scores, worker.scores + SCORES, 0.0);
    const int begin = static_cast<int>(static_cast<long>(batch.size) * w / config_.threads);
    const int end = static_cast<int>(static_cast<long>(batch.size) * (w + 1) / config_.threads);
    const int64_t* order = batch.order + static_cast<long>(m) * batch.size;
    for (int from = begin; from < end; from += config_.chunk) {
      const int count = std::min(config_.chunk, end - from), n = sizes_.slots, tokens = count * n;
      const int row = padded(sizes_.act);
      for (int s = 0; s < count; ++s)
        for (int i = 0; i < n; ++i) {
          const int64_t source = order[from + s] * n + i;
          worker.load_token(s * n + i, batch.obs + source * sizes_.obs);
          float* previous = worker.seen.previous + static_cast<long>(s * n + i) * row;
          if (i) std::memcpy(previous, batch.told + (source - 1) * sizes_.act, sizeof(float) * sizes_.act);
          else std::memset(previous, 0, sizeof(float) * sizes_.act);
        }
      network_.encode(worker.seen, {0, 1, tokens});
      network_.decode(worker.seen, {0, 1, tokens});
      for (int s = 0; s < count; ++s)
        for (int i = 0; i < n; ++i)
          loss(batch, order[from + s] * n + i, worker, s * n + i, i, 1.0f / static_cast<float>(batch.size * n));
      network_.backward(worker.seen, tokens, worker.gradients);
    }
  }

  // Writes the gradients of one token's outputs and adds its scores. `each` is the weight of a token in the mean.
  void loss(const Batch& batch, int64_t source, Worker& worker, int token, int slot, float each) const {
    const int act = sizes_.act, row = padded(act);
    const float advantage = batch.advantages[source];
    const float* mean = worker.seen.action.result + static_cast<long>(token) * row;
    float* dmean = worker.seen.daction + static_cast<long>(token) * row;
    const float* mask = mask_ + slot * act;
    float whole = 0.0f;
    if (config_.ratio_of_agent)
      for (int k = 0; k < act; ++k)
        if (mask[k] != 0.0f) whole += log_probability(batch.actions[source * act + k], mean[k], k) - batch.log_probs[source * act + k];
    for (int k = 0; k < act; ++k) {
      dmean[k] = 0.0f;
      const float action = batch.actions[source * act + k], off = action - mean[k];
      float change = whole;
      if (!config_.ratio_of_agent)
        change = mask[k] != 0.0f ? log_probability(action, mean[k], k) - batch.log_probs[source * act + k] : 0.0f;
      const float ratio = std::exp(change), held = std::min(std::max(ratio, 1.0f - config_.clip), 1.0f + config_.clip);
      const bool free = ratio * advantage <= held * advantage;
      if (!config_.ratio_of_agent || k == 0) {
        const double terms = config_.ratio_of_agent ? 1.0 : 1.0 / act;
        worker.scores[0] -= static_cast<double>(std::min(ratio * advantage, held * advantage)) * each;
        worker.scores[3] += std::fabs(ratio - 1.0f) > config_.clip ? each * terms : 0.0;
        worker.scores[4] += static_cast<double>(ratio - 1.0f - change) * each * terms;
      }
      if (mask[k] == 0.0f) continue;
      const float entropy_weight = static_cast<float>(sizes_.slots) / static_cast<float>(mask_count_);
      worker.scores[2] += (std::log(std_[k]) + 0.5f * (LOG_TWO_PI + 1.0f)) * each * entropy_weight;
      const float dlog = free ? -ratio * advantage * each : 0.0f, variance = std_[k] * std_[k];
      dmean[k] = dlog * off / variance;
      const float dstd = dlog * (off * off / variance - 1.0f) / std_[k] - config_.entropy * each * entropy_weight / std_[k];
      worker.gradients[log_std_gradient_ + k] += dstd * slope_[k];
    }
    const float value = worker.seen.value.result[static_cast<long>(token) * LANES], old = batch.values[source];
    const float target = (batch.returns[source] - return_mean_) / return_std_;
    // Inside the range the held value is the value itself. Rounding would make old + (value - old) differ from it.
    const bool inside = std::fabs(value - old) <= config_.clip;
    const float near = inside ? value : old + std::copysign(config_.clip, value - old);
    const float plain = huber(target - value), clipped = huber(target - near);
    worker.scores[1] += static_cast<double>(std::max(plain, clipped)) * each;
    const bool moves = inside || plain >= clipped;
    const float error = target - value;
    const float slope = moves ? -std::min(std::max(error, -config_.huber), config_.huber) : 0.0f;
    worker.seen.dvalue[static_cast<long>(token) * LANES] = slope * config_.value_weight * each;
  }

  float huber(float error) const {
    const float size = std::fabs(error);
    return size <= config_.huber ? 0.5f * error * error : config_.huber * (size - 0.5f * config_.huber);
  }

  void gather(double* scores) {
    for (const auto& part : builder_.gradients)
      for (int r = 0; r < part.rows; ++r) {
        float* to = flat_ + part.flat + static_cast<long>(r) * part.columns;
        const long from = part.padded + static_cast<long>(r) * padded(part.columns);
        std::memcpy(to, workers_[0]->gradients + from, sizeof(float) * part.columns);
        for (size_t w = 1; w < workers_.size(); ++w)
          for (int k = 0; k < part.columns; ++k) to[k] += workers_[w]->gradients[from + k];
      }
    for (int k = 0; k < sizes_.act; ++k) flat_[log_std_ + k] = 0.0f;
    for (const auto& worker : workers_) {
      for (int k = 0; k < sizes_.act; ++k) flat_[log_std_ + k] += worker->gradients[log_std_gradient_ + k];
      for (int k = 0; k < SCORES; ++k) scores[k] += worker->scores[k];
    }
  }

  void step(int64_t steps, double* scores) {
    gather(scores);
    double square = 0.0;
    for (int64_t k = 0; k < size_; k += 1024) {  // short sums in single precision, their total in double
      float part = 0.0f;
      const int64_t end = std::min(k + 1024, size_);
#pragma omp simd reduction(+ : part)
      for (int64_t j = k; j < end; ++j) part += flat_[j] * flat_[j];
      square += part;
    }
    const float shorten = std::min(1.0f, config_.gradient_norm / (static_cast<float>(std::sqrt(square)) + 1e-6f));
    const double power = static_cast<double>(steps);
    const float rate = static_cast<float>(config_.learning_rate / (1.0 - std::pow(0.9, power)));
    const float unbias = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(0.999, power)));
    float *p = parameters_, *m = first_, *v = second_;
    const float* g = flat_;
    const float epsilon = config_.epsilon;
#pragma omp simd
    for (int64_t k = 0; k < size_; ++k) {
      const float d = g[k] * shorten;
      m[k] += (d - m[k]) * 0.1f;
      v[k] = v[k] * 0.999f + d * d * 0.001f;
      p[k] -= rate * m[k] / (std::sqrt(v[k]) * unbias + epsilon);
    }
  }

  const Config config_;
  const Sizes sizes_;
  const Kinds kinds_;
  Arena arena_;
  Builder builder_;
  Network network_;
  const float* mask_;  // (slot, act), zero where a dimension is padding
  float *parameters_, *first_, *second_;  // flat, with Adam's moments; the caller owns all three
  double* moments_;  // of the value normaliser; the caller owns them
  const int64_t size_;
  const long log_std_;
  long log_std_gradient_ = 0;
  int mask_count_ = 0;
  float return_mean_ = 0.0f, return_std_ = 1.0f;
  float* flat_;  // gradient of the whole minibatch
  std::vector<float> std_, slope_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace fused

extern "C" {

fused::Learner* fused_create(const fused::Config* config, const int64_t* offsets, const float* mask, float* parameters,
                             float* first, float* second, double* moments, int64_t size) {
  return new fused::Learner(*config, offsets, mask, parameters, first, second, moments, size);
}
void fused_destroy(fused::Learner* learner) { delete learner; }
void fused_act(fused::Learner* learner, const float* obs, const float* noise, const float* share, int32_t samples,
               float* actions, float* log_probs, float* values) {
  learner->act(obs, noise, share, samples, actions, log_probs, values);
}
void fused_values(fused::Learner* learner, const float* obs, int32_t samples, float* values) {
  learner->values(obs, samples, values);
}
int64_t fused_train(fused::Learner* learner, const fused::Batch* batch, int64_t steps, double* scores) {
  return learner->train(*batch, steps, scores);
}
}
