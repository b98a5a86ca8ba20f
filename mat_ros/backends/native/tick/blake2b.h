// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0
// Compute BLAKE2b (RFC 7693), with or without a key.
#ifndef MAT_ROS_TICK_BLAKE2B_H_
#define MAT_ROS_TICK_BLAKE2B_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <algorithm>

namespace mat_ros::tick {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "messages and hashes are read without swapping bytes");

// The state of a hash. A copy continues from the bytes that the original has taken.
class Blake2b {
 public:
  static constexpr size_t kBlock = 128, kMostKey = 64;  // bytes

  Blake2b(const void* key, size_t key_size, size_t digest_size) : digest_size_(digest_size) {
    memcpy(hash_, kStart, sizeof hash_);
    hash_[0] ^= 0x01010000 ^ key_size << 8 ^ digest_size;
    if (key_size == 0) return;
    memcpy(block_, key, key_size);  // the key is padded with zeros to a block of its own
    filled_ = kBlock;
  }

  void update(const void* data, size_t size) {
    const auto* from = static_cast<const unsigned char*>(data);
    while (size > 0) {
      if (filled_ == kBlock) {  // more bytes follow, so this block is not the last one
        compress(block_, kBlock, false);
        filled_ = 0;
      }
      for (; filled_ == 0 && size > kBlock; from += kBlock, size -= kBlock) compress(from, kBlock, false);
      const size_t part = std::min(kBlock - filled_, size);
      memcpy(block_ + filled_, from, part);
      filled_ += part, from += part, size -= part;
    }
  }

  // Write the digest. The state must not be used afterwards.
  void finish(unsigned char* digest) {
    memset(block_ + filled_, 0, kBlock - filled_);
    compress(block_, filled_, true);
    memcpy(digest, hash_, digest_size_);
  }

 private:
  static constexpr uint64_t kStart[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                         0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                         0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
  static constexpr uint8_t kOrder[10][16] = {
      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
      {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
      {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
      {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
      {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

  static uint64_t turned(uint64_t value, int bits) { return value >> bits | value << (64 - bits); }

  static void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
    a += b + x;
    d = turned(d ^ a, 32);
    c += d;
    b = turned(b ^ c, 24);
    a += b + y;
    d = turned(d ^ a, 16);
    c += d;
    b = turned(b ^ c, 63);
  }

  void compress(const unsigned char* block, size_t bytes, bool last) {
    taken_ += bytes;
    uint64_t words[16], v[16];
    memcpy(words, block, kBlock);
    memcpy(v, hash_, sizeof hash_);
    memcpy(v + 8, kStart, sizeof kStart);
    v[12] ^= taken_;
    if (last) v[14] = ~v[14];
#pragma GCC unroll 12
    for (int round = 0; round < 12; ++round) {
      const uint8_t* at = kOrder[round % 10];
      mix(v[0], v[4], v[8], v[12], words[at[0]], words[at[1]]);
      mix(v[1], v[5], v[9], v[13], words[at[2]], words[at[3]]);
      mix(v[2], v[6], v[10], v[14], words[at[4]], words[at[5]]);
      mix(v[3], v[7], v[11], v[15], words[at[6]], words[at[7]]);
      mix(v[0], v[5], v[10], v[15], words[at[8]], words[at[9]]);
      mix(v[1], v[6], v[11], v[12], words[at[10]], words[at[11]]);
      mix(v[2], v[7], v[8], v[13], words[at[12]], words[at[13]]);
      mix(v[3], v[4], v[9], v[14], words[at[14]], words[at[15]]);
    }
    for (int k = 0; k < 8; ++k) hash_[k] ^= v[k] ^ v[k + 8];
  }

  uint64_t hash_[8];
  uint64_t taken_ = 0;  // bytes so far, the block of the key included
  unsigned char block_[kBlock] = {};
  size_t filled_ = 0;  // a full block waits here until it is known whether it is the last one
  size_t digest_size_;
};

}  // namespace mat_ros::tick

#endif  // MAT_ROS_TICK_BLAKE2B_H_
