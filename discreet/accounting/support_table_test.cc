// Every cell of the table in docs/accounting.md, tried.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "discreet/accounting/pld.h"
#include "discreet/accounting/rdp.h"
#include "discreet/base/error.h"

namespace discreet {
namespace {

const Event kGaussian = Event::gaussian(2);

std::map<std::string, Event> simple() {
  return {{"gaussian", kGaussian},
          {"discrete_gaussian", Event::discrete_gaussian(2)},
          {"matrix_gaussian", Event::matrix_gaussian(6, 3)},
          {"laplace", Event::laplace(3)},
          {"discrete_laplace", Event::discrete_laplace(6, 2)},
          {"randomized_response", Event::randomized_response(0.4, 4)},
          {"exponential_mechanism", Event::exponential_mechanism(0.3)},
          {"epsilon_delta", Event::epsilon_delta(0.2, 1e-7)},
          {"poisson_sampled", Event::poisson_sampled(0.1, kGaussian)},
          {"fixed_size_sampled", Event::fixed_size_sampled(1, 10, kGaussian)},
          {"thresholded_selection", Event::thresholded_selection(kGaussian, 1e-7)},
          {"repeat_and_select", Event::repeat_and_select(kGaussian, Trials::geometric(0.2))},
          {"repeated", Event::repeated(kGaussian, 3)},
          {"composed", Event::composed({kGaussian, kGaussian})}};
}

using Wrap = std::function<Event(const Event&)>;
std::vector<Wrap> wraps(const std::string& kind) {
  if (kind == "poisson_sampled")
    return {[](const Event& e) { return Event::poisson_sampled(0.1, e); },
            [](const Event& e) { return Event::poisson_sampled(1, e); }};
  if (kind == "fixed_size_sampled")
    return {[](const Event& e) { return Event::fixed_size_sampled(1, 10, e); },
            [](const Event& e) { return Event::fixed_size_sampled(10, 10, e); }};
  if (kind == "thresholded_selection")
    return {[](const Event& e) { return Event::thresholded_selection(e, 1e-7); }};
  if (kind == "repeat_and_select")
    return {[](const Event& e) { return Event::repeat_and_select(e, Trials::poisson(3)); },
            [](const Event& e) { return Event::repeat_and_select(e, Trials::geometric(0.2)); },
            [](const Event& e) { return Event::repeat_and_select(e, Trials::negative_binomial(0, 0.2)); }};
  if (kind == "repeated") return {[](const Event& e) { return Event::repeated(e, 3); }};
  ADD_FAILURE() << "no such kind in this test: " << kind;
  return {};
}

struct Row {
  std::string event, accountant;
  std::map<std::string, std::string> cells;  // relation -> yes or no
};

std::vector<Row> table() {
  const char* source = std::getenv("DISCREET_SOURCE");
  if (source == nullptr) return {};
  std::ifstream file(std::string(source) + "/docs/accounting.md");
  std::vector<Row> rows;
  std::vector<std::string> head;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("| ")) continue;
    std::vector<std::string> cells;
    std::istringstream cut(line.substr(1));
    for (std::string cell; std::getline(cut, cell, '|');) {
      const size_t begin = cell.find_first_not_of(' ');
      cells.push_back(
          begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
    }
    if (head.empty()) {
      head = cells;
      continue;
    }
    Row row{cells.at(0), cells.at(1), {}};
    for (size_t i = 2; i < 5; ++i) row.cells[head.at(i)] = cells.at(i);
    rows.push_back(row);
  }
  return rows;
}

// The events that a row is about. "anything else" is what no other row of this kind and accountant names.
std::vector<Event> events_of(const Row& row, const std::vector<Row>& rows) {
  const size_t open = row.event.find('(');
  if (open == std::string::npos) return {simple().at(row.event)};
  const std::string kind = row.event.substr(0, open);
  const std::string inner = row.event.substr(open + 1, row.event.size() - open - 2);
  if (kind == "composed") {
    std::vector<Event> parts;
    for (const Row& other : rows) {
      if (other.accountant != row.accountant || other.cells.at("replace-one") != "yes") continue;
      if (other.event.starts_with("composed")) continue;
      for (const Event& event : events_of(other, rows)) parts.push_back(event);
    }
    EXPECT_GE(parts.size(), 10u);
    return {Event::composed(parts)};
  }
  std::vector<Event> inners;
  if (inner == "anything else") {
    std::set<std::string> named;
    for (const Row& other : rows)
      if (other.event.starts_with(kind + "("))
        named.insert(other.event.substr(open + 1, other.event.size() - open - 2));
    for (const auto& [name, event] : simple())
      if (named.count(name) == 0) inners.push_back(event);
    EXPECT_GE(inners.size(), 10u);
  } else {
    inners.push_back(simple().at(inner));
  }
  std::vector<Event> events;
  for (const Wrap& wrap : wraps(kind))
    for (const Event& event : inners) events.push_back(wrap(event));
  return events;
}

double epsilon(const Row& row, const Event& event, Relation relation) {
  return row.accountant == "rdp" ? rdp_epsilon(event, relation, 1e-5)
                                 : pld_epsilon(event, relation, 1e-5).upper;
}

TEST(SupportTable, SaysWhatTheAccountantsDo) {
  const std::vector<Row> rows = table();
  ASSERT_GE(rows.size(), 40u) << "set DISCREET_SOURCE to the project's folder";
  for (const Row& row : rows) {
    ASSERT_TRUE(row.accountant == "rdp" || row.accountant == "pld") << row.event;
    for (const auto& [name, cell] : row.cells) {
      const Relation relation = parse_relation(name);
      ASSERT_TRUE(cell == "yes" || cell == "no") << row.event;
      for (const Event& event : events_of(row, rows)) {
        for (const Event& tried : {event, Event::composed({kGaussian, Event::repeated(event, 2)})}) {
          try {
            const double value = epsilon(row, tried, relation);
            EXPECT_EQ(cell, "yes") << row.accountant << " " << name << " " << tried.to_json();
            EXPECT_TRUE(value > 0 && std::isfinite(value))
                << row.accountant << " " << name << " " << tried.to_json();
          } catch (const Error& error) {
            EXPECT_EQ(cell, "no") << row.accountant << " " << name << " " << tried.to_json() << error.what();
            EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << error.what();
          }
        }
      }
    }
  }
}

// Each kind of event has a row for either accountant.
TEST(SupportTable, HasEveryKind) {
  for (const auto& [kind, event] : simple()) {
    std::set<std::string> accountants;
    for (const Row& row : table())
      if (row.event == kind || row.event.starts_with(kind + "(")) accountants.insert(row.accountant);
    EXPECT_EQ(accountants.size(), 2u) << kind;
    EXPECT_EQ(event.to_json()["kind"], kind);
  }
}

}  // namespace
}  // namespace discreet
