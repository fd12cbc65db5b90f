#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace freshet {

/// How the vectors of a bag become the bag's own. With v_p the vector of the bag's position p and w_p its
/// weight (1 without weights), as tf.nn.embedding_lookup_sparse has it:
///
///   kSum     Σ w_p·v_p
///   kMean    Σ w_p·v_p / Σ w_p
///   kSqrtn   Σ w_p·v_p / √(Σ w_p²)
///   kFirstN  w_p·v_p of the first n positions, one after the other, zeros where there are fewer
///
/// A position without a row (member -1) is a zero vector and counts: it takes a place of kFirstN, and its
/// weight, or its 1, is in the divisor. A bag whose divisor is 0, an empty one for instance, gives zeros and
/// takes no gradient.
enum class Pooling : std::uint8_t { kSum, kMean, kSqrtn, kFirstN };

/// Pools `rows`, float[num_rows, dim], into `out`: float[num_bags, dim], or float[num_bags, first_n, dim] for
/// kFirstN, the only one that `first_n` matters to. All of `out` is written; it may overlap nothing.
///
/// Bag b has the positions splits[b] .. splits[b + 1] - 1. `members` has the row number of each position, -1
/// for none. `splits` has num_bags + 1 elements, starts with 0, never decreases and ends with members.size().
/// `weights` has one element for each position, or none at all.
///
/// Sums are taken in position order, in float32, no step contracted: the same bits on every instruction set.
/// Reentrant, no allocation, O(positions · dim). Throws std::invalid_argument, before anything is written,
/// when dim is 0, first_n is 0 for kFirstN, or a span is not as described; the message has the element, the
/// rule and what was received.
void pool(Pooling pooling, std::uint32_t first_n, const float* rows, std::size_t num_rows, std::uint32_t dim,
          std::span<const std::int32_t> members, std::span<const std::int64_t> splits,
          std::span<const float> weights, float* out);

/// The gradient with respect to the rows that were pooled, given `out_gradient`, with respect to `pool`'s
/// output and of its shape.
///
/// `row_gradients`, float[num_rows, dim], is overwritten: the sum over a row's positions in order, zeros for
/// a row that has none. Weights are constants and get no gradient. Everything else as for `pool`.
void pool_gradient(Pooling pooling, std::uint32_t first_n, const float* out_gradient, std::uint32_t dim,
                   std::span<const std::int32_t> members, std::span<const std::int64_t> splits,
                   std::span<const float> weights, std::size_t num_rows, float* row_gradients);

}  // namespace freshet
