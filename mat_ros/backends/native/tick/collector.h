// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Gather the decisions of one tick for the safety gate, as mat_ros/core/tick/collect.py does.
#ifndef MAT_ROS_TICK_COLLECTOR_H_
#define MAT_ROS_TICK_COLLECTOR_H_

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "ahead.h"
#include "counts.h"
#include "messages.h"

namespace mat_ros::tick {

class Collector {
 public:
  Collector(int slots, int act_dim, Counts* counts)
      : actions_(static_cast<size_t>(slots) * act_dim), validity_(slots, kNone), silent_(slots), slots_(slots),
        act_dim_(act_dim), counts_(*counts), owned_(slots), rank_(slots), ahead_(new Kept[kAhead]),
        ahead_actions_(new float[kAhead * actions_.size()]), ahead_validity_(new uint8_t[kAhead * slots]) {
    drop();
  }

  bool open() const { return open_; }
  const std::vector<float>& actions() const { return actions_; }      // (slots, act_dim); NaN where no node decided
  const std::vector<uint8_t>& validity() const { return validity_; }  // (slots,): Validity, or kNone
  const std::vector<int64_t>& silent() const { return silent_; }      // (slots,): ticks without the owner's decision

  // Begin a tick with the decisions that came before its observation.
  void begin(uint64_t tick, int64_t source_ns, int64_t deadline_ns, int64_t now_ns) {
    if (begun_) note_silence();
    drop();
    tick_ = tick;
    source_ns_ = source_ns;
    deadline_ns_ = deadline_ns;
    begun_ = open_ = true;
    const size_t waiting = ahead_count_;
    ahead_count_ = 0;  // what is still ahead is kept again, at its place or at an earlier one
    for (size_t k = 0; k < waiting; ++k) hear(kept(k), now_ns);
  }

  // Drop the decisions of the present tick, and wait for its owners once more.
  void begin_again() {
    note_silence();
    drop();
  }

  void close() { open_ = false; }

  // Take a decision, and return whether it ends the tick: all are there, or the deadline has passed.
  bool hear(const Decision& decision, int64_t now_ns) {
    if (!begun_ || (decision.tick > tick_ && decision.tick - tick_ <= kHorizon)) {
      if (ahead_count_ < kAhead) keep(decision);
      return false;
    }
    if (decision.tick == tick_ && decision.source_ns != source_ns_) {
      ++counts_[kRefused];
      return false;
    }
    if (open_ && now_ns > deadline_ns_) {
      ++counts_[kLate];
      open_ = false;  // the deadline has passed while this process did not run
      return true;
    }
    if (!add(decision)) return false;
    if (!open_) {
      ++counts_[kLate];  // its owner decides all the same, so the next tick waits for it again
      return false;
    }
    open_ = !complete();
    return !open_;
  }

 private:
  static constexpr uint8_t kNone = 255;                                 // validity of a slot that no node has decided
  static constexpr int64_t kOwner = int64_t{1} << 40, kPassedOn = int64_t{1} << 32;  // outrank any revision
  static constexpr size_t kAhead = 4096;                                // decisions
  static constexpr uint64_t kExcuseTicks = 2;

  // A decision whose observation has not come yet. Its arrays lie in a row of their own.
  struct Kept {
    uint64_t tick;
    int64_t source_ns;
    int first, stop, revision;
    size_t slots;
  };

  // Take a decision, and return whether it belongs to the present tick and has the right shape.
  bool add(const Decision& decision) {
    if (decision.tick != tick_) {
      const bool late = decision.tick < tick_;
      ++counts_[late ? kLate : kRefused];
      if (late && tick_ - decision.tick <= kExcuseTicks) {  // the owner is slow but alive, so wait for it again
        for (int slot = decision.first; slot < std::min(decision.stop, slots_); ++slot) silent_[slot] = 0;
      }
      return false;
    }
    const int slots = static_cast<int>(std::min<size_t>(decision.slots, slots_));
    if (decision.slots > static_cast<size_t>(slots_) || decision.first >= decision.stop || decision.stop > slots) {
      ++counts_[kRefused];
      return false;
    }
    // The owner's own decision ranks first, then an owner's decision that a baton carried, then the latest revision.
    for (int slot = 0; slot < slots; ++slot) {
      const bool own = decision.first <= slot && slot < decision.stop;
      const uint8_t validity = decision.validity[slot];
      const int64_t rank = (own ? kOwner : 0) + (validity != kRedone ? kPassedOn : 0) + decision.revision;
      if (rank <= rank_[slot]) continue;
      rank_[slot] = rank;
      if (own) owned_[slot] = true;
      if (!open_) continue;
      validity_[slot] = validity;
      decision.actions.part(static_cast<size_t>(slot) * act_dim_, act_dim_).copy_to(&actions_[slot * act_dim_]);
    }
    return true;
  }

  // Return whether every slot has its owner's decision. For a silent owner, a redecision is enough.
  bool complete() const {
    for (int slot = 0; slot < slots_; ++slot) {
      const bool excused = silent_[slot] >= static_cast<int64_t>(kExcuseTicks) && validity_[slot] != kNone;
      if (!owned_[slot] && !excused) return false;
    }
    return true;
  }

  void note_silence() {
    for (int slot = 0; slot < slots_; ++slot) silent_[slot] = owned_[slot] ? 0 : silent_[slot] + 1;
  }

  void drop() {
    std::fill(actions_.begin(), actions_.end(), std::numeric_limits<float>::quiet_NaN());
    std::fill(validity_.begin(), validity_.end(), kNone);
    std::fill(owned_.begin(), owned_.end(), false);
    std::fill(rank_.begin(), rank_.end(), -1);
  }

  // Keep a decision for its tick. `add` refuses one of too many slots, whatever its arrays hold.
  void keep(const Decision& decision) {
    const size_t place = ahead_count_++, fitting = decision.slots <= static_cast<size_t>(slots_) ? decision.slots : 0;
    ahead_[place] = {decision.tick, decision.source_ns, decision.first, decision.stop, decision.revision,
                     decision.slots};
    float* actions = ahead_actions_.get() + place * actions_.size();
    memmove(actions, decision.actions.bytes, fitting * act_dim_ * sizeof *actions);  // may come from the same row
    memmove(ahead_validity_.get() + place * slots_, decision.validity, fitting);
  }

  Decision kept(size_t place) const {
    const Kept& known = ahead_[place];
    const float* actions = ahead_actions_.get() + place * actions_.size();
    return {known.tick, known.source_ns, known.first, known.stop, known.revision, known.slots,
            {reinterpret_cast<const unsigned char*>(actions), known.slots * act_dim_},
            ahead_validity_.get() + place * slots_};
  }

  std::vector<float> actions_;
  std::vector<uint8_t> validity_;
  std::vector<int64_t> silent_;
  int slots_, act_dim_;
  Counts& counts_;
  bool begun_ = false;
  bool open_ = false;  // a decision still counts for the command of this tick
  uint64_t tick_ = 0;
  int64_t source_ns_ = 0, deadline_ns_ = 0;
  std::vector<bool> owned_;  // (slots,): the owner's decision is there
  std::vector<int64_t> rank_;
  std::unique_ptr<Kept[]> ahead_;  // the first ahead_count_ ones are in use; no other memory is touched
  std::unique_ptr<float[]> ahead_actions_;
  std::unique_ptr<uint8_t[]> ahead_validity_;
  size_t ahead_count_ = 0;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_COLLECTOR_H_
