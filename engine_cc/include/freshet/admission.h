#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "freshet/fid_map.h"
#include "freshet/slot_rules.h"

namespace freshet {

/// What a ledger knows of a FID that is counted and has no row yet.
struct Candidate {
  std::uint32_t count = 0;
  std::uint32_t since_s = 0;  // start of its window
  std::uint16_t slot = 0;
};

/// Candidates as a checkpoint keeps them.
struct Candidates {
  std::vector<std::uint64_t> fids;
  std::vector<std::uint16_t> slots;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> since_s;
};

/// What a checkpoint keeps of a ledger beside its candidates.
struct LedgerProgress {
  std::uint64_t hand = 0;         // where the next look for FIDs to forget begins
  std::uint64_t num_decayed = 0;  // entries forgotten by their rule
  std::uint64_t num_dropped = 0;  // entries forgotten for want of room

  friend bool operator==(const LedgerProgress&, const LedgerProgress&) = default;
};

/// Decides when a FID without a row has earned one. One ledger serves the FIDs of one lock stripe of a table.
///
/// kAlways: at once. kProbability: each sighting by itself with the rule's probability, a pure function of (seed, FID,
/// draw, index of the sighting in the call); no memory. kMinCount: in the call that brings the `min_count`-th
/// sighting, exactly, for every threshold up to 2^32 - 1; a threshold of 1 makes no entry. While an id is counted it
/// is a candidate: an entry of count and start of window.
///
/// Decay: when window_s or more have passed since the start of an entry's window, its count is halved once for each
/// whole window passed (rounding down) and the start moves on by as many windows, before new sightings are added. An
/// entry whose count has become 0 is forgotten; a sighting then begins a new one, with its own time as the start. So
/// `min_count` sightings within one window of an entry's first always admit, and an id that stops coming is forgotten
/// in at most 32 windows. An event older than the start of the window is counted and decays nothing.
///
/// Bounded memory: at most `max_candidates` entries. When a new one finds no room, the next `kExamined` entries in
/// the order of the salted hash are looked at, from where the last look ended, around the end. Those whose count has
/// decayed to 0 or whose slot counts no more are forgotten. If there were none, one of the entries looked at is
/// dropped: the one of the lowest count (decayed to the present), of several the one whose window began first, of
/// several the first. `num_dropped()` counts these. O(kExamined) for a new entry.
///
/// Exactness holds while `num_dropped()` is 0: no FID was admitted late, and no decision depends on the salt. After
/// that a dropped FID begins anew at 1, and decisions are a function of the salt and of the calls so far. Forgetting
/// what has decayed, in a sweep or to make room, costs exactness only for an event from before that time, which would
/// still have found the count.
///
/// Rules are an argument of each call, so that the table's are the only copy.
///
/// Exceptions: std::bad_alloc from `sight` and `restore` leaves a valid ledger in which the FID is as it was; room may
/// have been made for it. Not thread safe: const methods may run together, others need exclusion.
class AdmissionLedger {
 public:
  static constexpr std::size_t kExamined = 16;

  /// Throws std::invalid_argument when `max_candidates` is 0. `salt` is as in FidMap: give each stripe its own.
  AdmissionLedger(std::uint64_t seed, std::size_t max_candidates, std::uint64_t salt);

  /// Asks for a FID's entry ahead of `sight`.
  void prefetch(std::uint64_t fid) const noexcept { candidates_.prefetch(fid); }

  /// A FID without a row was seen `num_sightings` times in slot `slot` at event time `now_s`; `draw` is the place
  /// of the (first) sighting in the stream. Whether it has now earned its row, and is forgotten here. No sightings
  /// change nothing and earn nothing. O(1) expected; with kProbability O(num_sightings).
  bool sight(std::uint64_t fid, std::uint16_t slot, const SlotRules& rules, std::uint32_t num_sightings,
             std::uint32_t now_s, std::uint64_t draw);

  /// Forgets a FID that got its row in another way; whether it was a candidate.
  bool forget(std::uint64_t fid) noexcept { return candidates_.erase(fid); }

  /// Looks at the next `max_entries` entries, once each, and forgets those whose count has decayed to 0 at `now_s` or
  /// whose slot counts no more. Successive calls go round the ledger. Answers how many were forgotten.
  std::size_t sweep(const SlotRules& rules, std::uint32_t now_s, std::size_t max_entries) noexcept;

  std::size_t num_candidates() const noexcept { return candidates_.size(); }
  std::size_t max_candidates() const noexcept { return max_candidates_; }
  std::uint64_t num_dropped() const noexcept { return progress_.num_dropped; }
  std::uint64_t num_decayed() const noexcept { return progress_.num_decayed; }
  std::size_t memory_bytes() const noexcept {
    return sizeof(*this) - sizeof(candidates_) + candidates_.memory_bytes();
  }

  /// Appends all candidates to `out`, in the order of the salted hash. On std::bad_alloc `out` is as it was.
  void export_to(Candidates& out) const;

  /// Puts a candidate back as it was exported; a FID that is here already is overwritten. A full ledger makes room as
  /// `sight` does, without decay. A count of 0 is ignored. Restoring every candidate, in any order, and then
  /// `progress()` into a ledger of the same seed, size and salt gives one that decides all that follows as the
  /// exported one would.
  void restore(std::uint64_t fid, std::uint16_t slot, std::uint32_t count, std::uint32_t since_s,
               const SlotRules& rules);

  const LedgerProgress& progress() const noexcept { return progress_; }
  void restore_progress(const LedgerProgress& progress) noexcept { progress_ = progress; }

  /// Forgets every candidate; what was counted of drops and decay stays.
  void clear() noexcept { candidates_.clear(); }

 private:
  bool count(std::uint64_t fid, std::uint16_t slot, const SlotRules& rules, std::uint32_t num_sightings,
             std::uint32_t now_s);
  bool draws(std::uint64_t fid, double probability, std::uint32_t num_sightings,
             std::uint64_t draw) const noexcept;
  void make_room(const SlotRules& rules, std::uint32_t now_s) noexcept;

  std::uint64_t seed_;
  std::size_t max_candidates_;
  FidMap<Candidate> candidates_;
  LedgerProgress progress_;
};

}  // namespace freshet
