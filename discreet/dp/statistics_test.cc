#include "discreet/dp/statistics.h"

#include <gtest/gtest.h>

#include <iostream>

#include "discreet/accounting/rdp.h"
namespace discreet {
namespace {
TEST(Try, Adult) {
  Table t = read_table("/work/shared/data/adult.csv.gz");
  TableSchema d;
  d.target = TargetSchema{.name = "Salary"};
  d = d.for_columns("adult", t.names());
  double eps = atof(getenv("EPS") ? getenv("EPS") : "0.1");
  double lo = 0.01, hi = 1e4;
  while (hi / lo > 1.0001) {
    double m = std::sqrt(lo * hi);
    (rdp_epsilon(Event::composed({Event::discrete_gaussian(m), Event::epsilon_delta(0, 5e-7)}),
                 Relation::kAddOrRemoveOne, 1e-6) > eps
         ? lo
         : hi) = m;
  }
  TableStatistics s(d, {}, {Relation::kAddOrRemoveOne, hi, 5e-7});
  std::cout << hi << " S " << s.squared_sensitivity() << " stddev " << s.stddev() << "\n";
  auto r = RandomStream::from_kernel();
  auto f = s.estimate({t, {}}, r);
  std::cout << f.to_json().dump(0) << "\n";
}
}  // namespace
}  // namespace discreet
