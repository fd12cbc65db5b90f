#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

extern "C" {

/// The Arrow C data interface, as its specification lays the two structures out.
struct ArrowSchema {
  const char* format;
  const char* name;
  const char* metadata;
  std::int64_t flags;
  std::int64_t n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};

struct ArrowArray {
  std::int64_t length;
  std::int64_t null_count;
  std::int64_t offset;
  std::int64_t n_buffers;
  std::int64_t n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};
}

namespace freshet {

/// An Arrow type that has no FIDs; the message names the type's format string.
class UnsupportedArrowType : public std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// Writes the FID of every value of `array` in `slot` to `out`, and 0 where the value is null.
///
/// Types: utf8, large_utf8, string_view, every integer width, boolean (as 0 and 1) and null. Honours the
/// array's offset and validity bitmap. Borrows both structures, releases neither. Reentrant, no allocation
/// except for a message, O(bytes). Throws UnsupportedArrowType for another type, std::invalid_argument when
/// the array has been released or `out.size()` is not its length. Buffers are trusted to be what the
/// interface promises.
void hash_arrow_array(const ArrowSchema& schema, const ArrowArray& array, std::uint16_t slot,
                      std::span<std::uint64_t> out);

}  // namespace freshet
