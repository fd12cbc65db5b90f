#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace freshet {

/// What turns a row's gradient g into a step of its vector w; r is the learning rate of the call. Every operation is
/// per coordinate unless it says otherwise.
///
///   kSgd        w -= r·g
///   kMomentum   v = momentum·v + g;  w -= r·v, or with `nesterov` r·(g + momentum·v)      (Sutskever et al., 2013)
///   kAdagrad    n += g²;  w -= r·g/√n                                                     (Duchi, Hazan, Singer, 2011)
///   kAdam       m, v: averages of g, g²;  w -= r·m̂/(√v̂ + epsilon)                         (Kingma and Ba, 2015)
///   kAmsgrad    as Adam with the greatest v so far in place of v                          (Reddi, Kale, Kumar, 2018)
///   kAdadelta   E = rho·E + (1-rho)·g²;  d = g·√(D + epsilon)/√(E + epsilon);
///               D = rho·D + (1-rho)·d²;  w -= r·d                                         (Zeiler, 2012)
///   kRmsprop    E = rho·E + (1-rho)·g²;  d = g/√(E + epsilon);  w -= r·d, or with
///               momentum > 0 v = momentum·v + d;  w -= r·v                                (Tieleman and Hinton, 2012)
///   kFtrl       FTRL-proximal, L1 for each coordinate                                     (McMahan et al., 2013)
///   kGroupFtrl  the same with a group lasso: L1 of the row's norm                         (Yuan and Lin, 2006)
///
/// Adam and AMSGrad correct the bias of their averages by the steps of that row, not of the table: a rare id's first
/// gradient moves it as far as a frequent id's first did. The row keeps c = 1 - beta^steps itself, as the average of
/// ones (c = beta·c + 1 - beta), which has no count to overflow and rounds as the averages it corrects. AMSGrad
/// corrects the greatest v by the present c, as it does m.
///
/// FTRL: with 1/η = (beta + n^-learning_rate_power)/r, of which the row keeps n and the r of its last step,
///
///   n += g²;  z += g - (1/η_now - 1/η_before)·w;
///   kFtrl       w = 0 where |z| <= l1, else -(z - sign(z)·l1)/(1/η_now + l2)
///   kGroupFtrl  w = 0 where |z|₂ <= l1·√dim, else -z·(1 - l1·√dim/|z|₂)/(1/η_now + l2), |z|₂ over the row
///
/// A new row has z = 0 and 1/η_before = 0, which is the paper's sum with its first term centred on the initial vector
/// instead of on zero. Thus with l1 = l2 = 0 a step is exactly w -= η·g from the initial vector on, and a learning rate
/// that changes scales the step; it does not rescale what was learned. Whoever replaces the vector of a row from outside
/// must initialise its state anew, or the next step returns to the old one. √dim gives l1 the same weight at every dim,
/// and kFtrl's at dim 1. The group's zero is that of the true minimum; its shrinkage otherwise is exact when the row's
/// coordinates share one η, and the customary closed form when not.
enum class OptimizerKind : std::uint8_t {
  kSgd,
  kMomentum,
  kAdagrad,
  kAdam,
  kAmsgrad,
  kAdadelta,
  kRmsprop,
  kFtrl,
  kGroupFtrl
};

/// "sgd", "momentum", "adagrad", "adam", "amsgrad", "adadelta", "rmsprop", "ftrl", "group_ftrl".
std::string_view name_of(OptimizerKind kind) noexcept;

/// The reverse; throws std::invalid_argument for another name.
OptimizerKind optimizer_kind_of(std::string_view name);

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kAdagrad;
  float initial_accumulator = 0.1F;   // n of a new row: Adagrad > 0; FTRL >= 0, and > 0 unless beta is
  float momentum = 0.9F;              // momentum, RMSprop: [0, 1); at 0 RMSprop keeps no velocity
  bool nesterov = false;              // momentum only
  float beta1 = 0.9F;                 // Adam, AMSGrad: [0, 1)
  float beta2 = 0.999F;               // Adam, AMSGrad: [0, 1)
  float epsilon = 1e-7F;              // Adam, AMSGrad, AdaDelta, RMSprop: > 0
  float rho = 0.9F;                   // AdaDelta, RMSprop: [0, 1)
  float l1 = 0.0F;                    // FTRL only: >= 0
  float l2 = 0.0F;                    // FTRL only: >= 0; adds l2/2·|w|² to what is minimised
  float learning_rate_power = -0.5F;  // FTRL: [-1, 0]; other than -0.5 costs a logarithm for each coordinate
  float beta = 0.0F;                  // FTRL only: >= 0
  /// Decoupled (Loshchilov and Hutter, 2019): w -= r·weight_decay·w beside the step, outside of all averages. Only rows
  /// that get a gradient decay. 0 is none. FTRL refuses it: its w follows from z and n alone; l2 is its decay.
  float weight_decay = 0.0F;
  /// Of the row's summed gradient, before anything else sees it; 0 is none. First each coordinate into
  /// ±clip_value, then the whole to the Euclidean norm clip_norm where it is longer.
  float clip_norm = 0.0F;
  float clip_value = 0.0F;
};

/// The optimizer of a table: how many floats of state a row has, what a new row's are, and how a gradient changes them.
///
/// The same row, gradient and rate give the same bits on every machine: only additions, multiplications, divisions and
/// square roots of IEEE 754, none fused, and sums over a row in one fixed order. Immutable, so safe from any thread;
/// a row needs one writer at a time.
class Optimizer {
 public:
  static constexpr std::uint32_t kMaxDim = 4096;

  /// For rows of `dim` floats, 1 to kMaxDim. Throws std::invalid_argument naming the field, its rule and what was
  /// received. l1, l2, beta and nesterov are refused where the kind would ignore them, lest they be thought to work;
  /// other fields that the kind ignores, whose defaults are not 0, are not looked at.
  Optimizer(const OptimizerOptions& options, std::uint32_t dim);

  const OptimizerOptions& options() const noexcept { return options_; }
  std::uint32_t dim() const noexcept { return dim_; }

  /// Floats of state, which follow the vector's `dim`.
  std::size_t num_state_floats() const noexcept { return num_state_floats_; }

  /// Writes the state of a new row.
  void initialise(float* state) const noexcept;

  /// One step. `row` is vector[dim] and its state; `gradient` has `dim` floats, the sum over the row's positions, and
  /// does not overlap the row. `learning_rate` is finite and positive. False, with the row as it was, when the gradient
  /// is not finite or the vector or the state would cease to be. O(dim), no allocation; at most 96 KiB of stack.
  bool update(float* row, const float* gradient, float learning_rate) const noexcept {
    return clips_ ? update_clipped(row, gradient, learning_rate)
                  : kernel_(options_, dim_, row, gradient, learning_rate);
  }

 private:
  using Kernel = bool (*)(const OptimizerOptions&, std::uint32_t, float*, const float*, float) noexcept;

  bool update_clipped(float* row, const float* gradient, float learning_rate) const noexcept;

  Kernel kernel_;
  OptimizerOptions options_;
  std::uint32_t dim_;
  bool clips_;
  std::size_t num_state_floats_;
};

}  // namespace freshet
