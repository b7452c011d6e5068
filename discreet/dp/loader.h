// The numbered Poisson draws of a PrivacyEngine, as a range of batches: for (auto batch :
// engine.loader(data)).
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "discreet/base/error.h"
#include "discreet/data/dataset.h"
#include "discreet/dp/draws.h"

namespace discreet {

// What draws are made of.
struct Rows {
  using Visit = std::function<void(const std::string& bytes)>;

  int64_t count = 0;
  std::vector<int64_t> units = {};  // an identifier of the unit of each row; empty: every row is a unit
  // The bytes of each row with its target, in order: by them a ledger knows a data set again, and processes
  // compare what they hold.
  std::function<void(const Visit&)> for_each_record = {};
};

// The draws of one pass, piece by piece, as numbers of rows.
class Pieces {
 public:
  // The next piece, valid until the call after; null at the end, after which another pass begins. Checks that
  // the piece before was used exactly once.
  const DrawPiece* next();

  // In one pass: draws times pieces.
  int64_t size() const { return size_; }

 private:
  friend class PrivacyEngine;
  // The engine's next piece, or a last look at the one before.
  using Next = std::function<const DrawPiece*(const std::shared_ptr<const PoissonDraws>& draws, bool last)>;
  Pieces(std::shared_ptr<const PoissonDraws> draws, int64_t size, Next next)
      : draws_(std::move(draws)), size_(size), next_(std::move(next)) {}

  std::shared_ptr<const PoissonDraws> draws_;
  int64_t size_, handed_ = 0;
  Next next_;
};

class Loader {
 public:
  using Fetch = std::function<Batch(const std::vector<int64_t>& rows)>;

  class Iterator {
   public:
    const Batch& operator*() const { return loader_->batch_; }
    Iterator& operator++() {
      loader_->advance();
      return *this;
    }
    bool operator!=(std::default_sentinel_t) const { return !loader_->done_; }

   private:
    friend class Loader;
    explicit Iterator(Loader* loader) : loader_(loader) {}
    Loader* loader_;
  };

  // Makes the first draw. Each step of the iterator checks that the batch before was used exactly once.
  Iterator begin() {
    advance();
    return Iterator(this);
  }
  std::default_sentinel_t end() const { return {}; }

  // Batches in one pass: draws times pieces.
  int64_t size() const { return pieces_.size(); }

 private:
  friend class PrivacyEngine;
  Loader(Fetch fetch, Pieces pieces) : fetch_(std::move(fetch)), pieces_(std::move(pieces)) {}
  void advance();

  Fetch fetch_;
  Pieces pieces_;
  Batch batch_, placeholder_;
  bool done_ = false;
};

// What the engine needs of a data set: rows by number, how many, and their units.
inline Loader::Fetch make_fetch(const Dataset& dataset) {
  const torch::Tensor rows = dataset.rows_with_target();
  return [&dataset, rows](const std::vector<int64_t>& numbers) {
    const torch::Tensor chosen = rows.index_select(0, torch::tensor(numbers, torch::kLong));
    return Batch{dataset.features(chosen), dataset.targets().index_select(0, chosen)};
  };
}
inline int64_t count_rows(const Dataset& dataset) {
  return dataset.rows_with_target().size(0);
}
std::vector<int64_t> units_of(const Dataset& dataset);

// The bytes of each row with its target, in order.
void for_each_record(const Loader::Fetch& fetch, int64_t rows, const Rows::Visit& visit);

// A data set of torch::data with random access: get_batch(indices) gives one example, or a list of examples
// of equal shapes.
template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) Loader::Fetch make_fetch(TorchDataset& dataset) {
  return [&dataset](const std::vector<int64_t>& numbers) {
    auto batch = dataset.get_batch(std::vector<size_t>(numbers.begin(), numbers.end()));
    if constexpr (requires { batch.data; }) {
      return Batch{batch.data, batch.target};
    } else {
      auto stacked = torch::data::transforms::Stack<>().apply_batch(std::move(batch));
      return Batch{stacked.data, stacked.target};
    }
  };
}

template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) int64_t count_rows(const TorchDataset& dataset) {
  const auto size = dataset.size();
  if (!size) throw Error(ErrorKind::kUnsupported, "Poisson draws need a data set whose size is known");
  return static_cast<int64_t>(*size);
}

template <typename TorchDataset>
requires(!std::is_base_of_v<Dataset, TorchDataset>) std::vector<int64_t> units_of(const TorchDataset&) {
  return {};
}

}  // namespace discreet
