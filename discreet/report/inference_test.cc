#include "discreet/report/inference.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "discreet/base/file.h"
#include "discreet/report/numbers.h"

namespace discreet {
namespace {

// From the definition: (fpr, tpr) is allowed iff both inequalities hold, for the set "say present" and for
// its complement, with the two worlds in either order.
bool allowed(double epsilon, double delta, double fpr, double tpr) {
  const double e = std::exp(epsilon);
  return tpr <= e * fpr + delta + 1e-12 && fpr <= e * tpr + delta + 1e-12 &&
         1 - tpr <= e * (1 - fpr) + delta + 1e-12 && 1 - fpr <= e * (1 - tpr) + delta + 1e-12;
}

double cumulative(double x) {
  return 0.5 * std::erfc(-x / std::sqrt(2.0));
}

TEST(Inference, KnownValues) {
  EXPECT_NEAR(highest_belief(3, 0.5), 0.9525741268224334, 1e-15);
  EXPECT_NEAR(highest_belief(std::log(3), 0.25), 0.5, 1e-15);  // odds 1 to 3 become 1 to 1
  EXPECT_NEAR(best_guess(3, 1e-5, 0.5), (std::exp(3) + 1e-5) / (1 + std::exp(3)), 1e-15);
  EXPECT_EQ(highest_belief(5, 0), 0);
  EXPECT_EQ(highest_belief(5, 1), 1);
  EXPECT_EQ(highest_belief(0, 0.3), 0.3);
  EXPECT_NEAR(lowest_belief(3, 0.5), 1 - highest_belief(3, 0.5), 1e-15);
  EXPECT_EQ(best_guess(0, 0, 0.5), 0.5);
  EXPECT_NEAR(best_guess(2000, 0, 0.5), 1, 1e-15);  // no overflow
}

// docs/privacy-in-plain-words.md prints a table of ceilings.
TEST(Inference, TheTableInPlainWordsIsRight) {
  const char* source = std::getenv("DISCREET_SOURCE");
  if (source == nullptr) GTEST_SKIP() << "run through ctest, which sets DISCREET_SOURCE";
  const std::string page = read_file(std::filesystem::path(source) / "docs/privacy-in-plain-words.md");
  std::string row = "| at most |";
  for (const double epsilon : {0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 10.0}) {
    std::string percent = percent_rounded_up(highest_belief(epsilon, 0.5));
    percent.replace(percent.find("\u00A0"), std::string("\u00A0").size(), " ");
    row += " " + percent + " |";
  }
  EXPECT_NE(page.find(row), std::string::npos) << row;
  EXPECT_NE(page.find("| epsilon | 0.1 | 0.5 | 1 | 2 | 3 | 5 | 8 | 10 |"), std::string::npos);
}

TEST(Inference, BestGuessIsTheMaximumOverAllTestsThatTheDefinitionAllows) {
  constexpr int kGrid = 600;
  for (const double epsilon : {0.0, 0.1, 1.0, 3.0}) {
    for (const double delta : {0.0, 0.01, 0.2}) {
      for (const double prior : {0.05, 0.5, 0.8}) {
        double best = 0;
        for (int i = 0; i <= kGrid; ++i) {
          for (int j = 0; j <= kGrid; ++j) {
            const double fpr = double(i) / kGrid, tpr = double(j) / kGrid;
            if (allowed(epsilon, delta, fpr, tpr))
              best = std::max(best, prior * tpr + (1 - prior) * (1 - fpr));
          }
        }
        EXPECT_LE(best, best_guess(epsilon, delta, prior) + 1e-9);
        EXPECT_GE(best, best_guess(epsilon, delta, prior) - 2.0 / kGrid)
            << epsilon << " " << delta << " " << prior;
      }
    }
  }
}

// Randomised response tells the truth with probability e^epsilon / (1 + e^epsilon): the bound is reached.
TEST(Inference, RandomisedResponseReachesTheBound) {
  for (const double epsilon : {0.3, 1.0, 4.0}) {
    const double truth = std::exp(epsilon) / (1 + std::exp(epsilon));
    EXPECT_NEAR(best_guess(epsilon, 0, 0.5), truth, 1e-15);
    EXPECT_NEAR(highest_belief(epsilon, 0.5), truth, 1e-15);
  }
}

// The best test against a Gaussian of sensitivity mu deviations, whose exact delta(epsilon) is known
// (Balle and Wang 2018, Theorem 8), stays within the bound, and at the prior where it is decided by the odds
// e^epsilon the bound of the corner (1 - delta, 1) is reached.
TEST(Inference, GaussianMechanismStaysWithin) {
  for (const double mu : {0.5, 1.0, 2.0}) {
    for (const double epsilon : {0.5, 1.0, 3.0}) {
      const double delta =
          cumulative(mu / 2 - epsilon / mu) - std::exp(epsilon) * cumulative(-mu / 2 - epsilon / mu);
      for (double prior = 0.02; prior < 1; prior += 0.02) {
        double best = 0;
        for (double threshold = -8; threshold < 8; threshold += 0.01) {
          best = std::max(best, prior * cumulative(mu - threshold) + (1 - prior) * cumulative(threshold));
        }
        EXPECT_LE(best, best_guess(epsilon, delta, prior) + 1e-12);
      }
      // Guessing "present" only above the threshold where the likelihood ratio is e^epsilon.
      const double prior = 1 / (1 + std::exp(epsilon));
      const double threshold = epsilon / mu + mu / 2;
      const double right = prior * cumulative(mu - threshold) + (1 - prior) * cumulative(threshold);
      EXPECT_NEAR(right, (1 - prior) + prior * delta, 1e-12);
      EXPECT_NEAR(right, best_guess(epsilon, delta, prior), 1e-12);
    }
  }
}

}  // namespace
}  // namespace discreet
