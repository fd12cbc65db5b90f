// FIDs are fixed for ever. The values were computed once with the reference implementation of XXH64.

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

#include "check.h"
#include "freshet/arrow_hash.h"
#include "freshet/feature_id.h"

using namespace freshet;

namespace {

void test_golden_strings() {
  CHECK(fid_of_string("", 0) == 0xEF46DB3751D8E999ULL);
  CHECK(fid_of_string("", 1) == 0xD5AFBA1336A3BE4BULL);
  CHECK(fid_of_string("a", 1) == 0xDEC2BC81C3CD46C6ULL);
  CHECK(fid_of_string("5", 1) == 0x264BAACBD8D26960ULL);
  CHECK(fid_of_string("5", 7) == 0x3BDB87E33C608004ULL);
  CHECK(fid_of_string("user_42", 2) == 0x9403270A017092E4ULL);
  CHECK(fid_of_string("0123456789ab", 3) == 0xCCF137435605BDFFULL);
  CHECK(fid_of_string("a sparse id of thirty-two bytes!", 4) == 0x78A9FAB7060B6B27ULL);
  CHECK(fid_of_string("Grüße, 世界 🌍", 65535) == 0xA96918027D3364C5ULL);
  CHECK(fid_of_string(std::string(100, 'x'), 12) == 0xB515C6B9F1C4D7DAULL);
}

void test_golden_integers() {
  CHECK(fid_of_integer(0, 1) == 0x514E194D4AE25FC4ULL);
  CHECK(fid_of_integer(5, 1) == 0x86B3D68897C11641ULL);
  CHECK(fid_of_integer(5, 7) == 0x161689C8EBF5D451ULL);
  CHECK(fid_of_integer(-1, 1) == 0x860507F9D741327BULL);
  CHECK(fid_of_integer(INT64_MAX, 2) == 0xA4D2A974A5718C7FULL);
  CHECK(fid_of_integer(INT64_MIN, 2) == 0x8C31A461AA88F21CULL);
  CHECK(fid_of_integer(314159265, 4095) == 0xC81148947380A030ULL);
}

void keep_schema(ArrowSchema*) {}
void keep_array(ArrowArray*) {}

ArrowSchema schema_of(const char* format) {
  ArrowSchema schema{};
  schema.format = format;
  schema.release = keep_schema;
  return schema;
}

ArrowArray array_of(std::int64_t length, std::int64_t offset, const void** buffers,
                    std::int64_t num_buffers) {
  ArrowArray array{};
  array.length = length;
  array.null_count = -1;
  array.offset = offset;
  array.n_buffers = num_buffers;
  array.buffers = buffers;
  array.release = keep_array;
  return array;
}

void test_arrow_strings_honour_offset_and_validity() {
  const std::int32_t offsets[] = {0, 1, 3, 3, 6};
  const std::uint8_t validity = 0b1011;  // the third value is null
  const void* buffers[] = {&validity, offsets, "abcdef"};
  std::uint64_t fids[3];
  hash_arrow_array(schema_of("u"), array_of(3, 1, buffers, 3), 9, fids);
  CHECK(fids[0] == fid_of_string("bc", 9));
  CHECK(fids[1] == 0);
  CHECK(fids[2] == fid_of_string("def", 9));
}

void test_integers_of_every_width_have_the_same_fid() {
  const std::int8_t narrow[] = {-5, 7};
  const std::int64_t wide[] = {-5, 7};
  const std::uint16_t unsigned_words[] = {7};
  const void* narrow_buffers[] = {nullptr, narrow};
  const void* wide_buffers[] = {nullptr, wide};
  const void* word_buffers[] = {nullptr, unsigned_words};
  std::uint64_t fids[5];
  hash_arrow_array(schema_of("c"), array_of(2, 0, narrow_buffers, 2), 3, std::span(fids, 2));
  hash_arrow_array(schema_of("l"), array_of(2, 0, wide_buffers, 2), 3, std::span(fids + 2, 2));
  hash_arrow_array(schema_of("S"), array_of(1, 0, word_buffers, 2), 3, std::span(fids + 4, 1));
  CHECK(fids[0] == fids[2] && fids[1] == fids[3] && fids[1] == fids[4]);
  CHECK(fids[0] == fid_of_integer(-5, 3));
}

void test_the_string_and_the_integer_differ() { CHECK(fid_of_string("5", 1) != fid_of_integer(5, 1)); }

void test_other_types_are_refused() {
  const void* buffers[] = {nullptr, nullptr, nullptr};
  std::uint64_t fid;
  CHECK_THROWS(hash_arrow_array(schema_of("g"), array_of(1, 0, buffers, 2), 1, std::span(&fid, 1)),
               UnsupportedArrowType);
  CHECK_THROWS(hash_arrow_array(schema_of("g"), array_of(0, 0, buffers, 2), 1, {}), UnsupportedArrowType);
  ArrowSchema dictionary = schema_of("i");
  dictionary.dictionary = &dictionary;
  CHECK_THROWS(hash_arrow_array(dictionary, array_of(0, 0, buffers, 2), 1, {}), UnsupportedArrowType);
  CHECK_THROWS(hash_arrow_array(schema_of("u"), array_of(2, 0, buffers, 3), 1, std::span(&fid, 1)),
               std::invalid_argument);
}

}  // namespace

int main() {
  test_golden_strings();
  test_golden_integers();
  test_arrow_strings_honour_offset_and_validity();
  test_integers_of_every_width_have_the_same_fid();
  test_the_string_and_the_integer_differ();
  test_other_types_are_refused();
}
