#include "freshet/record_writer.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace freshet {
namespace {

constexpr std::size_t kLengthsAWord = 4;
constexpr std::size_t kFloatsAWord = 2;
constexpr std::size_t kUsualValues = 64;

constexpr std::size_t words_of(std::size_t num, std::size_t a_word) { return (num + a_word - 1) / a_word; }

}  // namespace

RecordWriter::RecordWriter(std::size_t num_slots, std::span<const float> dense) : num_slots_(num_slots) {
  const std::size_t length_words = words_of(num_slots, kLengthsAWord);
  words_.reserve(length_words + words_of(dense.size(), kFloatsAWord) + num_slots + kUsualValues);
  words_.resize(length_words + words_of(dense.size(), kFloatsAWord));
  if (!dense.empty()) std::memcpy(words_.data() + length_words, dense.data(), dense.size_bytes());
  begun_ = words_.size();
}

void RecordWriter::end_slot() {
  if (num_ended_ == num_slots_) throw std::logic_error("the record has no further slot");
  if (num_added() > UINT16_MAX) {
    throw std::invalid_argument("a slot must have at most 65535 values, received " +
                                std::to_string(num_added()));
  }
  const auto length = static_cast<std::uint16_t>(num_added());
  std::memcpy(reinterpret_cast<char*>(words_.data()) + num_ended_ * sizeof length, &length, sizeof length);
  ++num_ended_;
  begun_ = words_.size();
}

std::vector<std::uint64_t> RecordWriter::take() {
  if (num_ended_ != num_slots_) throw std::logic_error("the record lacks slots");
  return std::move(words_);
}

}  // namespace freshet
