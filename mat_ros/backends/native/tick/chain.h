// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Run the tick of one chain node, as mat_ros/core/tick/chain.py does: wait for the predecessor's baton, then decide,
// with or without the baton.
#ifndef MAT_ROS_TICK_CHAIN_H_
#define MAT_ROS_TICK_CHAIN_H_

#include <utility>
#include <vector>

#include "../mat_ros_tick.h"
#include "ahead.h"
#include "counts.h"
#include "decider.h"
#include "order.h"
#include "wire.h"

namespace mat_ros::tick {

// The place of a node in the chain, without the parts of mat_ros_chain_role that concern bytes.
struct Role {
  int first, stop, mode;
  int64_t budget_ns, period_ns;
  bool baton_on_deviation, backup;
};

// Where a node puts what it decides.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void send_baton(const Times& times, int revision, const Prefix& prefix) = 0;
  // actions (slots, act_dim) and validity (slots,)
  virtual void send_decision(const Times& times, int revision, int slots, const float* actions,
                             const uint8_t* validity) = 0;
};

class ChainNode {
 public:
  ChainNode(const mat_ros_policy* policy, const float* start, const Role& role, Counts* counts, Outbox* outbox)
      : role_(role), decider_(policy, start), order_(role.period_ns), counts_(*counts), outbox_(*outbox),
        ahead_(decider_, role.first), shared_(Notices(decider_.slots, decider_.act_dim).none()),
        enc_(static_cast<size_t>(decider_.slots) * decider_.enc_dim),
        intended_(static_cast<size_t>(decider_.slots) * decider_.act_dim) {
    baton_.prefix = decider_.room(role.first);
    for (Prefix* prefix : {&before_, &candidate_, &after_}) *prefix = decider_.room(decider_.slots);
  }

  const Decider& decider() const { return decider_; }

  // Set the overrides that every node has received.
  void share(const Overrides& overrides) { shared_ = overrides; }

  // Begin a tick. The encodings have the size of the policy.
  void on_encoding(const Encoding& encoding, int64_t now_ns) {
    const Turn turn = order_.judge(encoding.times.start_ns, encoding.times.deadline_ns, now_ns);
    if (turn != Turn::kNew) {
      const bool again = turn == Turn::kLate && begun_ && encoding.times.tick == times_.tick;
      ++counts_[again ? kDuplicate : turn == Turn::kLate ? kLate : turn == Turn::kEarly ? kEarly : kOld];
      return;
    }
    if (!encoding.enc.finite()) {
      ++counts_[kRefused];
      return;
    }
    if (waits()) ++counts_[kUndecided];
    order_.note(encoding.times.start_ns);
    times_ = encoding.times;
    encoding.enc.copy_to(enc_.data());
    begun_ = true;
    decided_ = false;
    revision_ = 0;
    has_baton_ = ahead_.take(times_.tick, &baton_) && belongs(baton_.tick, baton_.source_ns);
    advance(now_ns);
  }

  // Take a baton from a predecessor.
  void on_baton(const Baton& baton, int64_t now_ns) {
    if (baton.slots > role_.first || !decider_.fits(baton)) {
      ++counts_[kRefused];
    } else if (begun_ && baton.tick < times_.tick) {
      ++counts_[kLate];
    } else if (begun_ && baton.tick - times_.tick > kHorizon) {
      ++counts_[kRefused];
    } else if (!begun_ || baton.tick > times_.tick) {
      ++counts_[kAhead];
      ahead_.add(baton);
    } else if (!belongs(baton.tick, baton.source_ns)) {
      ++counts_[kRefused];
    } else if (has_baton_ && !baton_.ranks_below(baton)) {
      ++counts_[kDuplicate];
    } else {
      decider_.keep(baton, &baton_);
      has_baton_ = true;
      advance(now_ns);
    }
  }

  // Decide without a baton when the patience is over.
  void poll(int64_t now_ns) {
    if (waits()) advance(now_ns);
  }

  // Return the time at which `poll` has to be called, and INT64_MAX where a call after `now_ns` would change nothing.
  int64_t wake_ns(int64_t now_ns) const {
    return waits() && now_ns < times_.deadline_ns && until_ns() < times_.deadline_ns ? until_ns() : INT64_MAX;
  }

 private:
  bool waits() const { return begun_ && !decided_; }

  // Return whether a baton comes from the same observation. An earlier run uses the same tick numbers.
  bool belongs(uint64_t tick, int64_t source_ns) const { return tick == times_.tick && source_ns == times_.source_ns; }

  // Return the time at which the node stops waiting for a baton.
  int64_t until_ns() const {
    int64_t patience_ns = 0, until_ns;
    if (role_.mode == MAT_ROS_STRICT) return times_.deadline_ns;
    if (role_.mode == MAT_ROS_BOUNDED && __builtin_mul_overflow(role_.budget_ns, role_.first, &patience_ns)) {
      return times_.deadline_ns;
    }
    if (__builtin_add_overflow(times_.start_ns, patience_ns, &until_ns)) return times_.deadline_ns;
    return std::min(times_.deadline_ns, until_ns);
  }

  void advance(int64_t now_ns) {
    if (now_ns >= times_.deadline_ns) return;  // the gate would not apply a decision that is sent after the deadline
    const int heard = has_baton_ ? baton_.prefix.slots : 0;
    if (heard < role_.first && now_ns < until_ns()) return;
    if (has_baton_) {
      decider_.copy(baton_.prefix, &candidate_);
    } else {
      decider_.start(&candidate_);
    }
    decider_.extend(&candidate_, role_.first, enc_.data(), kRedone, shared_, intended_.data());
    if (decided_) {
      if (decider_.same_bits(candidate_, before_)) return;
      ++counts_[kCorrected];
      ++revision_;
    }
    counts_[kRedecided] += role_.first - heard;
    std::swap(before_, candidate_);
    decided_ = true;
    decide();
  }

  void decide() {
    decider_.copy(before_, &after_);
    std::copy_n(before_.actions.get(), static_cast<size_t>(role_.first) * decider_.act_dim, intended_.data());
    decider_.extend(&after_, role_.stop, enc_.data(), kOwn, shared_, intended_.data());
    if (!fits_stamp(times_.source_ns)) {
      ++counts_[kRefused];
      return;
    }
    const bool last = role_.stop == decider_.slots;
    if (!last && (!role_.baton_on_deviation || has_baton_)) outbox_.send_baton(times_, revision_, after_);
    if (!last && role_.backup) {
      decider_.extend(&after_, decider_.slots, enc_.data(), kRedone, shared_, intended_.data());
    }
    outbox_.send_decision(times_, revision_, after_.slots, intended_.data(), after_.validity.get());
  }

  Role role_;
  Decider decider_;
  Order order_;
  Counts& counts_;
  Outbox& outbox_;
  Ahead ahead_;
  Overrides shared_;
  std::vector<float> enc_;       // (n, enc_dim)
  std::vector<float> intended_;  // (n, act_dim): the actions of a decision
  Times times_ = {};             // of the present tick, where one has begun
  bool begun_ = false, has_baton_ = false;
  bool decided_ = false;  // `before_` is the prefix on which the last decision of this tick is based
  int revision_ = 0;
  KeptBaton baton_ = {};  // the baton of highest rank in the present tick, where there is one
  Prefix before_, candidate_, after_;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_CHAIN_H_
