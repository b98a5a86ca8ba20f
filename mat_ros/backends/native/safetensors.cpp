// Copyright 2026 The mat_ros Authors
// SPDX-License-Identifier: Apache-2.0

#include "safetensors.h"

#include <stdint.h>
#include <string.h>

#include <cctype>

namespace mat_ros {
namespace {

// Reads the part of JSON that the format uses: objects, arrays of whole numbers, strings without escapes.
class Table {
 public:
  Table(const std::string& file, const char* text, size_t size) : file_(file), at_(text), end_(text + size) {}

  [[noreturn]] void refuse(const std::string& got) const {
    throw Refused(file_ + ": expected a table of tensors, got " + got + "; copy the bundle anew");
  }
  bool take(char wanted) {
    while (at_ < end_ && isspace(static_cast<unsigned char>(*at_))) ++at_;
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!take(wanted)) refuse(std::string("no '") + wanted + "' where one belongs");
  }
  std::string word() {
    expect('"');
    const char* start = at_;
    while (at_ < end_ && *at_ != '"' && *at_ != '\\') ++at_;
    if (at_ == end_ || *at_ == '\\') refuse("a string without an end, or with an escape");
    return std::string(start, at_++);
  }
  std::vector<long> numbers() {
    std::vector<long> found;
    expect('[');
    while (!take(']')) {
      if (!found.empty()) expect(',');
      while (at_ < end_ && isspace(static_cast<unsigned char>(*at_))) ++at_;
      long value = 0;
      const char* start = at_;
      for (; at_ < end_ && isdigit(static_cast<unsigned char>(*at_)) && at_ - start < 12; ++at_) {
        value = value * 10 + (*at_ - '0');
      }
      if (at_ == start) refuse("something other than a whole number");
      found.push_back(value);
    }
    return found;
  }
  void skip_strings() {  // {"name": "text", ...}
    expect('{');
    for (bool first = true; !take('}'); first = false) {
      if (!first) expect(',');
      word();
      expect(':');
      word();
    }
  }

 private:
  const std::string& file_;
  const char* at_;
  const char* end_;
};

}  // namespace

std::map<std::string, Tensor> read_safetensors(const File& source) {
  const std::string& file = source.name;
  uint64_t table_size = 0;
  if (source.size < sizeof table_size) throw Refused(file + ": expected at least 8 bytes, got fewer; copy it anew");
  memcpy(&table_size, source.bytes, sizeof table_size);  // little-endian, as all supported processors are
  if (table_size > source.size - sizeof table_size) {
    throw Refused(file + ": expected a table of " + std::to_string(table_size) +
                  " bytes, got a shorter file; copy it anew");
  }
  const char* data = source.bytes + sizeof table_size + table_size;
  const size_t data_size = source.size - sizeof table_size - table_size;

  std::map<std::string, Tensor> tensors;
  Table table(file, source.bytes + sizeof table_size, table_size);
  table.expect('{');
  for (bool first = true; !table.take('}'); first = false) {
    if (!first) table.expect(',');
    const std::string name = table.word();
    table.expect(':');
    if (name == "__metadata__") {
      table.skip_strings();
      continue;
    }
    Tensor tensor;
    std::vector<long> span;
    table.expect('{');
    for (bool first_field = true; !table.take('}'); first_field = false) {
      if (!first_field) table.expect(',');
      const std::string field = table.word();
      table.expect(':');
      if (field == "dtype") {
        const std::string type = table.word();
        if (type != "F32") throw Refused(file + ", " + name + ": expected F32, got " + type + "; export it anew");
      } else if (field == "shape") {
        tensor.shape = table.numbers();
      } else if (field == "data_offsets") {
        span = table.numbers();
      } else {
        table.refuse("the field " + field);
      }
    }
    size_t floats = 1;
    for (long size : tensor.shape) floats = floats > data_size ? floats : floats * static_cast<size_t>(size);
    if (span.size() != 2 || span[0] > span[1] || static_cast<size_t>(span[1]) > data_size ||
        static_cast<size_t>(span[1] - span[0]) != floats * sizeof(float)) {
      throw Refused(file + ", " + name + ": expected " + std::to_string(floats) +
                    " floats inside the file, got another span; copy the bundle anew");
    }
    tensor.values.resize(floats);
    if (floats > 0) memcpy(tensor.values.data(), data + span[0], floats * sizeof(float));
    tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

}  // namespace mat_ros
