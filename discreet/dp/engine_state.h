// What a PrivacyEngine holds; only its own source files include this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "discreet/base/random.h"
#include "discreet/dp/clip.h"
#include "discreet/dp/draws.h"
#include "discreet/dp/guard.h"
#include "discreet/dp/privacy_engine.h"
#include "discreet/store/ledger.h"

namespace discreet {

// Of the piece that was handed out last.
enum class Phase {
  kIdle,       // there is none, or backward() ended in the engine
  kHandedOut,  // by the loader
  kWatched,    // its output went through watch()
};

struct PrivacyEngine::State : std::enable_shared_from_this<PrivacyEngine::State> {
  State(std::shared_ptr<torch::nn::Module> trained_model, PrivacyOptions chosen);

  const DrawPiece* next_piece(const std::shared_ptr<const PoissonDraws>& source, bool last);
  bool unused_pieces() const;
  // The cut through the outputs of one forward pass: of the whole piece, or of each of its units.
  torch::Tensor cut(std::vector<at::Tensor> outputs);
  void guard_look();                       // before a forward pass that is only looked at
  bool to_be_checked(int64_t rows) const;  // whether a batch of so many shows more than those before
  void check_forward(const std::function<at::Tensor(at::Tensor)>& forward, const at::Tensor& x);
  void backward(const std::vector<at::Tensor>& outputs, const at::Tensor& gradient, int64_t used_ticket);
  // One unit: the gradient of its own output flows back alone.
  void add_unit(const at::Tensor& output, const at::Tensor& gradient, double weight);
  void check_frozen() const;  // no parameter is trained that the engine does not know
  void release();
  Event step_event() const;

  // With a ledger (engine_ledger.cc).
  void charge(int64_t step);
  void settle_after(int64_t step);  // where it was the last one
  void enter_in_ledger(const Rows& rows);
  void go_on_in_ledger(const Event& plan, const DatasetSketch& sketch);

  // With several processes (engine_processes.cc).
  void join();  // agrees on options, takes the model of process 0
  PoissonDraws own_draws(const Rows& rows, int64_t draws);
  void add_up(ClippedSum& sum, int64_t step);  // over all processes
  // From process 0 to the others.
  void hand_round(std::vector<at::Tensor>& released, double& next_clip);
  // Runs `action` on process 0 only, or where there is but one; when it throws there, the others throw too.
  void on_first(const std::string& what, const std::function<void()>& action);

  std::shared_ptr<torch::nn::Module> model;
  PrivacyOptions options;
  Clipper clipper;
  std::optional<AdaptiveClip> adaptive_clip;
  RawGradientGuard raw_gradients;
  ReleasedGradients gradients;
  BufferGuard buffers;
  ParameterGuard written;
  RandomStream sampling, noise;
  bool ended = false;  // the engine was destroyed; loaders and watched outputs may not be
  bool attached = false;
  bool forward_seen = false;  // by a piece with records, past the guards
  int64_t rows_checked = 0;   // of the largest batch on which check_forward() has looked

  Phase phase = Phase::kIdle;
  int64_t draw = 0;  // number of the present one, from 1
  int64_t pieces_per_draw = 1;
  std::vector<DrawPiece> pieces;  // of the present draw
  int64_t next = 0;               // the first piece not handed out
  std::shared_ptr<const PoissonDraws> source_of_draw;
  std::shared_ptr<const PoissonDraws> latest;  // of the loader that was made last
  at::Tensor weights;                          // of the units of the piece that was handed out
  int64_t ticket = 0;                          // of the last watched output
  int64_t steps;

  std::optional<Ledger> ledger;
  std::optional<DatasetSketch> ledger_sketch;  // of the data set that the run is charged to
  std::string ledger_run;
};

}  // namespace discreet
