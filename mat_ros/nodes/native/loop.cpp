// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// The loop of mat_ros_loop.h.
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ends.h"
#include "mat_ros_loop.h"
#include "rcl.h"
#include "waiting.h"

namespace {

using mat_ros::Publisher;
using mat_ros::Rcl;
using mat_ros::Subscription;
using mat_ros::Waiting;

constexpr int kTopics = MAT_ROS_DECISION + 1;
constexpr int64_t kNever = INT64_MAX;
constexpr int64_t kRetryNs = 1'000'000;  // between two waits where the middleware refuses to wait

int64_t time_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

struct mat_ros_loop {
  Rcl rcl;
  rcl_node_t* node = nullptr;
  mat_ros_loop_machine machine{};
  mat_ros_hearing hearing = MAT_ROS_IN_LISTENER;
  clockid_t clock = CLOCK_MONOTONIC;
  std::unique_ptr<Publisher> publishers[kTopics];
  std::vector<std::unique_ptr<Subscription>> subscriptions;
  std::unique_ptr<Waiting> waiting;
  std::thread thread;
  std::atomic<bool> ending{false};
  int bell = -1;  // an eventfd; -1 where the machine has nothing for its caller

  std::mutex mutex;  // of the machine and of all below
  bool active = false;
  int64_t due_ns = kNever;  // when the thread polls the machine
  mat_ros_loop_counts counts{};

  struct Heard {  // what the middleware's callback gets
    mat_ros_loop* loop;
    Subscription* subscription;
  };
  std::vector<Heard> heard;

  ~mat_ros_loop() {
    activate(false);
    ending = true;
    if (thread.joinable()) {
      waiting->end();
      thread.join();
    }
    // The lock is free here: a callback that runs now may wait for it, and `call` waits until the callback has ended.
    for (Heard& one : heard) {
      if (!one.subscription->call(nullptr, nullptr)) rcl.rcutils_reset_error();
    }
  }

  void activate(bool now) {
    std::lock_guard<std::mutex> lock(mutex);
    active = now;
    due_ns = kNever;
  }

  // Take all messages of a subscription. An inactive loop drops them, as they would be too old later on.
  void drain(Subscription& from) {
    std::lock_guard<std::mutex> lock(mutex);
    while (from.take()) {
      if (!active) continue;
      const int64_t begun_ns = time_ns(CLOCK_MONOTONIC);
      const int64_t now_ns = clock == CLOCK_MONOTONIC ? begun_ns : time_ns(clock);
      machine.hear(machine.machine, from.topic, from.slot, from.data(), from.size(), now_ns, send, this);
      note_due(now_ns);
      ++counts.handled;
      counts.handling_ns += static_cast<uint64_t>(time_ns(CLOCK_MONOTONIC) - begun_ns);
    }
  }

  void poll() {
    std::lock_guard<std::mutex> lock(mutex);
    const int64_t now_ns = time_ns(clock);
    if (!active || now_ns < due_ns) return;
    machine.poll(machine.machine, now_ns, send, this);
    note_due(now_ns);
  }

  // A time that the machine has just let pass cannot be waited for: it would make the thread spin.
  void note_due(int64_t now_ns) {
    const int64_t wake_ns = machine.wake_ns(machine.machine);
    due_ns = wake_ns > now_ns ? wake_ns : kNever;
  }

  static void send(void* user, int topic, const void* data, size_t size) {
    mat_ros_loop* loop = static_cast<mat_ros_loop*>(user);
    if (topic == MAT_ROS_WAKE) return loop->ring();
    Publisher* publisher = topic >= 0 && topic < kTopics ? loop->publishers[topic].get() : nullptr;
    if (!publisher || !publisher->publish(data, size)) ++loop->counts.unsent;
  }

  void ring() {
    constexpr uint64_t kOnce = 1;
    if (write(bell, &kOnce, sizeof kOnce) != sizeof kOnce) ++counts.unsent;
  }

  int64_t timeout_ns() {
    std::lock_guard<std::mutex> lock(mutex);
    return due_ns == kNever ? -1 : std::max<int64_t>(due_ns - time_ns(clock), 0);
  }

  void wait() {
    pthread_setname_np(pthread_self(), "tick");
    while (!ending) {
      if (waiting->wait(subscriptions, timeout_ns())) {
        for (size_t k = 0; k < subscriptions.size(); ++k) {
          if (waiting->heard(k)) drain(*subscriptions[k]);
        }
        poll();
      } else {
        {
          std::lock_guard<std::mutex> lock(mutex);
          ++counts.unwaited;
        }
        const timespec pause{0, kRetryNs};
        nanosleep(&pause, nullptr);
      }
    }
  }

  std::string begin() {
    if (hearing == MAT_ROS_IN_THREAD) {
      waiting = std::make_unique<Waiting>(rcl);
      if (std::string error = waiting->open(node->context, subscriptions.size()); !error.empty()) return error;
      thread = std::thread([this] { wait(); });
      return "";
    }
    heard.reserve(subscriptions.size());
    for (const auto& subscription : subscriptions) {
      heard.push_back({this, subscription.get()});
      const auto callback = [](const void* user, size_t) {
        const Heard* one = static_cast<const Heard*>(user);
        one->loop->drain(*one->subscription);
      };
      if (!subscription->call(callback, &heard.back())) return rcl.error();
    }
    return "";
  }
};

namespace {

// Return 0 where `error` stays empty; no exception leaves the library.
template <typename Work>
int refusal(Work work, char* error, size_t size) {
  std::string text;
  try {
    text = work();
  } catch (const std::exception& failure) {
    text = failure.what();
  }
  snprintf(error, size, "%s", text.c_str());
  return text.empty() ? 0 : 1;
}

}  // namespace

extern "C" {

mat_ros_loop* mat_ros_loop_open(const char* rclpy, void* node, const mat_ros_loop_machine* machine, int hearing,
                                int system_clock, char* error, size_t error_size) {
  std::unique_ptr<mat_ros_loop> loop;
  const auto work = [&] {
    loop = std::make_unique<mat_ros_loop>();
    loop->node = static_cast<rcl_node_t*>(node);
    loop->machine = *machine;
    loop->hearing = static_cast<mat_ros_hearing>(hearing);
    loop->clock = system_clock ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    return loop->rcl.find(rclpy);
  };
  return refusal(work, error, error_size) ? nullptr : loop.release();
}

int mat_ros_loop_announce(mat_ros_loop* loop, int topic, const char* name, const void* type, size_t depth, char* error,
                          size_t error_size) {
  const auto work = [&] {
    auto publisher = std::make_unique<Publisher>(loop->rcl, loop->node, name);
    const auto* support = static_cast<const rosidl_message_type_support_t*>(type);
    std::string text = publisher->open(support, depth);
    if (text.empty()) loop->publishers[topic] = std::move(publisher);
    return text;
  };
  return refusal(work, error, error_size);
}

int mat_ros_loop_hear(mat_ros_loop* loop, int topic, int slot, const char* name, const void* type, size_t depth,
                      int reliable, char* error, size_t error_size) {
  const auto work = [&] {
    auto subscription = std::make_unique<Subscription>(loop->rcl, loop->node, name, topic, slot);
    const auto* support = static_cast<const rosidl_message_type_support_t*>(type);
    std::string text = subscription->open(support, depth, reliable != 0);
    if (text.empty()) loop->subscriptions.push_back(std::move(subscription));
    return text;
  };
  return refusal(work, error, error_size);
}

void mat_ros_loop_ring(mat_ros_loop* loop, int bell) { loop->bell = bell; }

int mat_ros_loop_begin(mat_ros_loop* loop, char* error, size_t error_size) {
  return refusal([&] { return loop->begin(); }, error, error_size);
}

void mat_ros_loop_activate(mat_ros_loop* loop, int active) { loop->activate(active != 0); }

size_t mat_ros_loop_ends(mat_ros_loop* loop, const char* name) {
  for (const auto& publisher : loop->publishers) {
    if (publisher && publisher->name() == name) return publisher->ends();
  }
  for (const auto& subscription : loop->subscriptions) {
    if (subscription->name() == name) return subscription->ends();
  }
  return 0;
}

void mat_ros_loop_count(mat_ros_loop* loop, mat_ros_loop_counts* own, uint64_t* counts) {
  std::lock_guard<std::mutex> lock(loop->mutex);
  *own = loop->counts;
  loop->machine.counts(loop->machine.machine, counts);
}

void mat_ros_loop_notice(mat_ros_loop* loop, uint64_t tick, int count, const int* slots, const float* shares,
                         const uint8_t* validities) {
  std::lock_guard<std::mutex> lock(loop->mutex);
  loop->machine.notice(loop->machine.machine, tick, count, slots, shares, validities);
}

void mat_ros_loop_gather(mat_ros_loop* loop, void (*call)(mat_ros_machine*, mat_ros_gathering*),
                         mat_ros_gathering* gathering) {
  std::lock_guard<std::mutex> lock(loop->mutex);
  call(loop->machine.machine, gathering);
}

void mat_ros_loop_close(mat_ros_loop* loop) { delete loop; }
}
