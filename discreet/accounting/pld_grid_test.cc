// The pld accountant against what others computed: tests/reference/.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "discreet/accounting/pld.h"

namespace discreet {
namespace {

using Row = std::vector<std::string>;

// Rows of numbers and names, without comments and the heading.
std::vector<Row> rows_of(const std::string& name) {
  const char* source = std::getenv("DISCREET_SOURCE");
  if (source == nullptr) return {};
  std::ifstream file(std::string(source) + "/tests/reference/" + name);
  std::vector<Row> rows;
  bool heading = true;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    Row row;
    std::istringstream cut(line);
    for (std::string cell; std::getline(cut, cell, ',');) row.push_back(cell);
    if (!heading) rows.push_back(row);
    heading = false;
  }
  return rows;
}

Event one_release(const Row& row) {
  const double parameter = std::stod(row[3]);
  const int64_t integer = std::stoll(row[4]);
  if (row[0] == "laplace") return Event::laplace(parameter);
  if (row[0] == "discrete_laplace") return Event::discrete_laplace(parameter, integer);
  if (row[0] == "randomized_response") return Event::randomized_response(parameter, integer);
  return Event::poisson_sampled(std::stod(row[2]), Event::gaussian(parameter));
}

// make_pld_grid.py. Every fifth row; all of them under DISCREET_SOAK.
TEST(PldGrid, AgreesWithAPeer) {
  const std::vector<Row> rows = rows_of("pld_grid.csv");
  ASSERT_EQ(rows.size(), 1000u) << "set DISCREET_SOURCE to the project's folder";
  const size_t stride = std::getenv("DISCREET_SOAK") != nullptr ? 1 : 5;
  for (size_t i = 0; i < rows.size(); i += stride) {
    const Row& row = rows[i];
    ASSERT_EQ(row.size(), 9u) << i;
    const double lower = std::stod(row[7]), upper = std::stod(row[8]);
    const double delta = std::stod(row[6]);
    PldCurve curve(Event::repeated(one_release(row), std::stoll(row[5])), parse_relation(row[1]));
    const PldBounds ours = curve.epsilon(delta);
    EXPECT_LE(ours.upper - ours.lower, 1e-3 * std::max(1.0, ours.lower) + 1e-6) << "row " << i;
    // Their transforms round each of up to a million masses, which comes to some 1e-11 of delta and more.
    const double lowest = ours.lower <= upper ? ours.lower : curve.epsilon(delta + 1e-10).lower;
    EXPECT_LE(lowest, upper * (1 + 1e-9)) << "row " << i;
    EXPECT_GE(ours.upper, lower * (1 - 1e-9)) << "row " << i;
  }
}

// make_pld_cases.py.
TEST(PldGrid, ContainsTheSlowPath) {
  const std::vector<Row> rows = rows_of("pld_cases.csv");
  ASSERT_EQ(rows.size(), 10u) << "set DISCREET_SOURCE to the project's folder";
  for (const Row& row : rows) {
    const Event event = Event::repeated(
        Event::poisson_sampled(std::stod(row[0]), Event::gaussian(std::stod(row[1]))), std::stoll(row[2]));
    const double epsilon = std::stod(row[3]), delta = std::stod(row[4]);
    PldCurve curve(event, Relation::kAddOrRemoveOne);
    const PldBounds deltas = curve.delta(epsilon), epsilons = curve.epsilon(delta);
    EXPECT_LE(deltas.lower, delta * (1 + 1e-10)) << row[0] << " " << row[1];
    EXPECT_GE(deltas.upper, delta * (1 - 1e-10)) << row[0] << " " << row[1];
    EXPECT_LE(epsilons.lower, epsilon * (1 + 1e-10)) << row[0] << " " << row[1];
    EXPECT_GE(epsilons.upper, epsilon * (1 - 1e-10)) << row[0] << " " << row[1];
    EXPECT_LE(epsilons.upper - epsilons.lower, 1e-3 * epsilon) << row[0] << " " << row[1];
  }
}

}  // namespace
}  // namespace discreet
