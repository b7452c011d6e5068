#include "discreet/data/number_grid.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace discreet {
namespace {

// Numbers: leaf 32768 + 512 octave + part for positive values.
constexpr int64_t kHalf = kGridLeaves / 2;
constexpr int64_t kParts = 512;
constexpr int kFirstExponent = -20;    // octave 1 starts at 2^-20, octave 0 is [0, 2^-20)
constexpr int64_t kFirstDay = -25567;  // 1900-01-01

constexpr double kSplitAt = 6;  // nodes below this many standard deviations are not divided
// Children below so many, after the projection, are noise: below the root, where a child that is kept by
// mistake would put corners 8 octaves outside the data, and further down.
constexpr double kDropFar = 3, kDropNear = 1;
constexpr double kPieceAt = 4;  // no piece of the encoding, and no whole tree, is to hold less
// A range is read from so many standard deviations, where this share of them was found on the first level and
// its ends are known to this many leaves.
constexpr double kRangeAt = 10, kRangeFound = 0.7, kApartAt = 4;
constexpr int64_t kRangeLeaves = 256;

int64_t positive_leaf(double value) {  // [0, kHalf)
  const double smallest = std::ldexp(1.0, kFirstExponent);
  if (value < smallest) return static_cast<int64_t>(value / smallest * kParts);
  int exponent = 0;
  const double fraction =
      std::frexp(value, &exponent);  // value = fraction * 2^exponent, fraction in [1/2, 1)
  const int64_t octave = exponent - kFirstExponent;
  const auto part = static_cast<int64_t>((2 * fraction - 1) * kParts);
  return std::min(octave * kParts + part, kHalf - 1);
}

double positive_start(int64_t leaf) {  // 0 <= leaf <= kHalf
  const int64_t octave = leaf / kParts;
  const double part = static_cast<double>(leaf % kParts) / kParts;
  if (octave == 0) return std::ldexp(part, kFirstExponent);
  return std::ldexp(1 + part, kFirstExponent + static_cast<int>(octave) - 1);
}

int64_t leaves_of_level(int level) {
  int64_t leaves = 1;
  for (int i = level; i < kGridLevels; ++i) leaves *= kGridBranches;
  return leaves;
}

// The nearest point of {x >= 0, sum x = total} (Held, Wolfe, Crowder 1974).
std::vector<double> project(const std::vector<double>& values, double total) {
  std::vector<double> sorted = values;
  std::sort(sorted.rbegin(), sorted.rend());
  double sum = 0, shift = 0;
  for (size_t i = 0; i < sorted.size(); ++i) {
    sum += sorted[i];
    const double candidate = (sum - total) / static_cast<double>(i + 1);
    if (i > 0 && sorted[i] <= candidate) break;
    shift = candidate;
  }
  std::vector<double> out;
  for (double value : values) out.push_back(std::max(value - shift, 0.0));
  return out;
}

// Nodes of the levels up to `always` are divided however little they hold. Returns the share of the node's
// mass that was in children that were kept, 1 where it was not divided.
double divide(const NoisyTree& tree, int level, int64_t node, double mass, int always,
              std::vector<Density::Piece>& pieces) {
  const int64_t width = leaves_of_level(level);
  const Density::Piece whole{node * width, (node + 1) * width, mass};
  if (level == kGridLevels || (level > always && mass < kSplitAt * tree.noise)) {
    pieces.push_back(whole);
    return 1;
  }
  std::vector<double> counts;
  for (int64_t child = 0; child < kGridBranches; ++child) {
    counts.push_back(tree.count(level + 1, node * kGridBranches + child));
  }
  counts = project(counts, mass);
  const double drop = (level == 0 ? kDropFar : kDropNear) * tree.noise;
  double kept = 0;
  for (double& count : counts) {
    if (count < drop) count = 0;
    kept += count;
  }
  if (kept < mass / 2) {  // spread too thin to say more about where it is
    pieces.push_back(whole);
    return kept / mass;
  }
  for (int64_t child = 0; child < kGridBranches; ++child) {
    const double count = counts[static_cast<size_t>(child)];
    if (count > 0) divide(tree, level + 1, node * kGridBranches + child, count * mass / kept, always, pieces);
  }
  return kept / mass;
}

// Pieces that lie apart from the largest group of them and are too small to be told from noise go: a group
// may have the noise of every node of the second level that it covers.
void drop_what_lies_apart(Density& density) {
  struct Group {
    size_t begin, end;
    double mass;
  };
  auto& pieces = density.pieces;
  std::vector<Group> groups;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (i == 0 || pieces[i].first - pieces[i - 1].last >= kRangeLeaves) groups.push_back({i, i, 0});
    groups.back().end = i + 1;
    groups.back().mass += pieces[i].mass;
  }
  double most = 0;
  for (const Group& group : groups) most = std::max(most, group.mass);
  for (const Group& group : groups) {
    const auto leaves = static_cast<double>(pieces[group.end - 1].last - pieces[group.begin].first);
    const double nodes = std::max(1.0, leaves / kRangeLeaves);
    if (group.mass == most || group.mass >= kApartAt * std::sqrt(nodes) * density.noise) continue;
    density.total -= group.mass;
    for (size_t i = group.begin; i < group.end; ++i) pieces[i].mass = 0;
  }
  std::erase_if(pieces, [](const Density::Piece& piece) { return piece.mass == 0; });
}

// x with Pr[N > x] = share for a standard normal N; 0 < share < 1/2.
double normal_tail_at(double share) {
  double low = 0, high = 40;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::numbers::sqrt2) / 2 > share ? low : high) = middle;
  }
  return low;
}

}  // namespace

int64_t leaf_of(NumberGrid grid, double value) {
  if (grid == NumberGrid::kDates) {
    const double day = std::clamp(std::floor(value) - kFirstDay, 0.0, static_cast<double>(kGridLeaves - 1));
    return static_cast<int64_t>(day);
  }
  return value >= 0 ? kHalf + positive_leaf(value) : kHalf - 1 - positive_leaf(-value);
}

double leaf_start(NumberGrid grid, int64_t leaf) {
  if (grid == NumberGrid::kDates) return static_cast<double>(leaf + kFirstDay);
  return leaf >= kHalf ? positive_start(leaf - kHalf) : -positive_start(kHalf - leaf);
}

int64_t node_of(int64_t leaf, int level) {
  return leaf / leaves_of_level(level);
}

const Density::Piece& Density::piece_at(double share) const {
  double wanted = share * total;
  for (const Piece& piece : pieces) {
    if (wanted <= piece.mass) return piece;
    wanted -= piece.mass;
  }
  return pieces.back();
}

double Density::quantile(double share) const {
  double wanted = share * total;
  for (const Piece& piece : pieces) {
    if (wanted <= piece.mass) {
      const double leaf = static_cast<double>(piece.first) +
                          std::max(wanted, 0.0) / piece.mass * static_cast<double>(piece.last - piece.first);
      const auto whole = static_cast<int64_t>(std::floor(leaf));
      const double start = leaf_start(grid, whole);
      if (whole >= kGridLeaves) return start;
      return start + (leaf - static_cast<double>(whole)) * (leaf_start(grid, whole + 1) - start);
    }
    wanted -= piece.mass;
  }
  return leaf_start(grid, pieces.back().last);
}

Density read_density(const NoisyTree& tree) {
  Density density{tree.grid, {}, 0, tree.noise};
  if (tree.total < kPieceAt * tree.noise || tree.total <= 0) return density;
  divide(tree, 0, 0, tree.total, 0, density.pieces);
  if (density.pieces.size() == 1 && density.pieces[0].last - density.pieces[0].first == kGridLeaves) {
    density.pieces.clear();  // nothing was learnt about where the numbers are
    return density;
  }
  for (const auto& piece : density.pieces) density.total += piece.mass;
  return density;
}

std::vector<double> read_knots(const Density& density, int pieces) {
  if (density.pieces.empty()) return {};
  std::vector<int64_t> heavy;
  Density rest = density;
  int count = pieces;
  if (density.noise > 0) {
    count = std::clamp(static_cast<int>(density.total / (kPieceAt * density.noise)), 1, pieces);
  }
  // Taking a heavy leaf out makes the shares of the rest smaller, so another leaf may become heavy.
  for (bool changed = true; changed;) {
    changed = false;
    for (auto& piece : rest.pieces) {
      if (piece.last - piece.first > 1 || piece.mass <= rest.total / count || piece.mass == 0) continue;
      heavy.push_back(piece.first);
      rest.total -= piece.mass;
      piece.mass = 0;
      changed = true;
    }
    if (density.noise > 0) {
      count = std::clamp(static_cast<int>(rest.total / (kPieceAt * density.noise)), 0, count);
    }
    if (count == 0) break;
  }
  std::vector<double> knots;
  for (int64_t leaf : heavy) {
    knots.push_back(leaf_start(density.grid, leaf));
    knots.push_back(leaf_start(density.grid, leaf + 1));
  }
  std::erase_if(rest.pieces, [](const auto& piece) { return piece.mass == 0; });
  if (count > 0 && !rest.pieces.empty()) {
    const double edge = std::min(0.25, std::max(0.005, 3 * density.noise / rest.total));
    for (int i = 0; i <= count; ++i) {
      const double share = std::clamp(static_cast<double>(i) / count, edge, 1 - edge);
      const double value = rest.quantile(share);
      // To the nearest start of a leaf: corners lie on the grid.
      const int64_t leaf = leaf_of(density.grid, value);
      const double low = leaf_start(density.grid, leaf), high = leaf_start(density.grid, leaf + 1);
      knots.push_back(value - low <= high - value ? low : high);
    }
  }
  std::sort(knots.begin(), knots.end());
  knots.erase(std::unique(knots.begin(), knots.end()), knots.end());
  if (knots.size() == 1) {  // all in one place: a corner on each side of it
    const int64_t leaf = leaf_of(density.grid, knots[0]);
    knots = {leaf_start(density.grid, leaf), leaf_start(density.grid, leaf + 1)};
  }
  return knots;
}

std::vector<double> fixed_knots(NumberGrid grid) {
  if (grid == NumberGrid::kDates) {
    std::vector<double> knots;
    for (int64_t leaf = 0; leaf <= kGridLeaves; leaf += kGridLeaves / 16)
      knots.push_back(leaf_start(grid, leaf));
    return knots;
  }
  return {-1e6, -1e4, -1e2, -10, -1, 0, 1, 10, 1e2, 1e3, 1e4, 1e5, 1e6};
}

std::optional<std::pair<double, double>> read_range(const NoisyTree& tree, double share) {
  if (tree.total <= 0 || tree.total < kRangeAt * tree.noise) return std::nullopt;
  Density density{tree.grid, {}, tree.total, tree.noise};
  const double found = divide(tree, 0, 0, tree.total, 1, density.pieces);
  drop_what_lies_apart(density);
  if (density.pieces.empty() || found * density.total < kRangeFound * tree.total) return std::nullopt;
  const double edge = std::min(0.25, std::max(share, 2 * density.noise / density.total));
  double read_low = density.quantile(edge), read_high = density.quantile(1 - edge);
  // An end in a piece that was not divided is anywhere in it: at its outer end, where that is near.
  const Density::Piece &first = density.piece_at(edge), &last = density.piece_at(1 - edge);
  const auto width = [&](const Density::Piece& piece) {
    return piece.last - piece.first > kRangeLeaves
               ? leaf_start(density.grid, piece.last) - leaf_start(density.grid, piece.first)
               : 0.0;
  };
  if (width(first) > 0) read_low = leaf_start(density.grid, first.first);
  if (width(last) > 0) read_high = leaf_start(density.grid, last.last);
  if (std::max(width(first), width(last)) > (read_high - read_low) / 2) return std::nullopt;
  if (!(read_low < read_high)) {
    const int64_t leaf = leaf_of(density.grid, read_low);
    return std::pair(leaf_start(density.grid, leaf), leaf_start(density.grid, leaf + 1));
  }
  const double middle = density.quantile(0.5), out = normal_tail_at(share) / normal_tail_at(edge);
  double low = middle - out * (middle - read_low), high = middle + out * (read_high - middle);
  if (density.grid == NumberGrid::kNumbers) {
    if (density.pieces.front().first >= kHalf) low = std::max(low, 0.0);
    if (density.pieces.back().last <= kHalf) high = std::min(high, 0.0);
  }
  return std::pair(low, high);
}

}  // namespace discreet
