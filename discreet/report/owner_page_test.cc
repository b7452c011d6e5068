#include "discreet/report/owner_page.h"

#include <gtest/gtest.h>

#include "discreet/base/error.h"
#include "discreet/report/page_check.h"
#include "discreet/report/test_documents.h"

namespace discreet {
namespace {

using testing_documents::owner_facts;

bool has(const std::string& page, const std::string& words) {
  return page.find(words) != std::string::npos;
}

TEST(OwnerPage, IsWellFormedAndSaysWhatItIs) {
  const std::string page = owner_html(owner_facts());
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_TRUE(has(page, "For the owner only"));
  EXPECT_TRUE(has(page, "Derived from private records"));
  EXPECT_TRUE(has(page, "It is not part of the package"));
  EXPECT_TRUE(has(page, "<data value=\"0.89339999999999997\">89.34\u00A0%</data>"));
}

TEST(OwnerPage, WithoutClassesCurvesOrExamplesItIsStillAPage) {
  OwnerFacts facts;
  facts.name = "house prices";
  facts.relation = "add-or-remove-one";
  facts.figures = {{"RMSE", 12345.6, false, "in the target's unit"}};
  facts.is_private = false;
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_TRUE(has(page, "12,346"));
  EXPECT_TRUE(has(page, "NOT PRIVATE"));
  EXPECT_FALSE(has(page, "Class by class"));
}

TEST(OwnerPage, CurvesThatAreFlatOrHugeCanBeDrawn) {
  for (const double loss : {0.0, 0.7, 1e-9, 1e12}) {
    OwnerFacts facts = owner_facts();
    facts.training_loss = {{0, loss}, {10, loss}};
    facts.test_loss = {{0, loss}, {10, loss}};
    EXPECT_EQ(page_check::problem(owner_html(facts)), "");
  }
}

TEST(OwnerPage, CurvesWithHolesOrVeryManyPointsCanBeDrawn) {
  OwnerFacts facts = owner_facts();
  facts.training_loss = {{1, std::nan("")}, {2, 0.5}, {3, INFINITY}, {4, 0.25}};
  facts.test_loss.clear();
  for (int step = 1; step <= 100000; ++step) facts.test_loss.push_back({double(step), 1.0 / step});
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_LT(page.size(), 200000u);
}

TEST(OwnerPage, ComparesTheModelWithGuessing) {
  OwnerFacts facts = owner_facts();
  EXPECT_EQ(guessing_sentence(facts), "");
  EXPECT_EQ(guessing_line(facts), "");
  facts.guessing = {"accuracy", "always the most frequent class", 0.846, 0.761, 0.02, true};
  const std::string line = "accuracy 84.6\u00A0% (always the most frequent class: 76.1\u00A0%";
  EXPECT_EQ(guessing_line(facts), line + ")");
  EXPECT_TRUE(has(owner_html(facts), "The model is better than guessing: accuracy 84.6\u00A0%"));
  facts.guessing->margin = 0.09;
  EXPECT_EQ(guessing_line(facts), line + "; the model is no better)");
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_TRUE(has(page, "no better than answering always the most frequent class"));
  facts.guessing->margin = 0.02;
  facts.test_records = 99;
  EXPECT_EQ(guessing_line(facts), line + "; too few records to tell them apart)");
  EXPECT_TRUE(has(owner_html(facts), "cannot be told from 99 records"));
  // Of an error, less is better; and a model that only ever guesses is not better by 0 > 0.
  facts.test_records = 1000;
  facts.guessing = {"mean absolute error", "always the mean", 2.5, 4, 1, false};
  EXPECT_TRUE(has(guessing_sentence(facts), "better than guessing: mean absolute error 2.5"));
  facts.guessing = {"mean absolute error", "always the mean", 4, 4, 0, false};
  EXPECT_TRUE(has(guessing_sentence(facts), "no better than answering always the mean"));
}

TEST(OwnerPage, RowsWithoutAConfidenceHaveNoColumnForIt) {
  OwnerFacts facts = owner_facts();
  facts.example_columns = {"rooms"};
  facts.rows = {{"12", "14", std::nullopt, {"3"}}};
  EXPECT_FALSE(has(owner_html(facts), "Confidence"));
  facts.rows.push_back({"yes", "no", 0.75, {"4"}});
  EXPECT_TRUE(has(owner_html(facts), "Confidence"));
}

TEST(OwnerPage, SaysWhereNothingWasMeasured) {
  OwnerFacts facts = owner_facts();
  facts.test_records = 0;
  EXPECT_TRUE(has(owner_html(facts), "nothing was measured"));
}

TEST(OwnerPage, ExamplesOfATableAreRows) {
  OwnerFacts facts = owner_facts();
  facts.images.clear();
  facts.example_columns = {"age", "work"};
  facts.rows = {{"yes", "no", 0.75, {"39", "<State-gov>"}}, {"1.5", "1.7", std::nullopt, {"50", ""}}};
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_TRUE(has(page, "&lt;State-gov&gt;"));
}

TEST(OwnerPage, ManyClassesAreShownByTheirMistakes) {
  OwnerFacts facts = owner_facts();
  facts.classes.clear();
  facts.confusion.assign(100, std::vector<int64_t>(100, 0));
  for (int i = 0; i < 100; ++i) {
    facts.classes.push_back({"class " + std::to_string(i), 1, 1, std::nullopt, 0.5});
    facts.confusion[i][(i + 1) % 100] = i + 1;
  }
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_TRUE(has(page, "The most frequent mistakes"));
  EXPECT_TRUE(has(page, "<data value=\"100\">100</data>"));
  EXPECT_FALSE(has(page, "<data value=\"70\">70</data>"));  // the thirty greatest only
}

TEST(OwnerPage, RefusesWhatDoesNotFit) {
  OwnerFacts facts = owner_facts();
  facts.confusion.pop_back();
  EXPECT_THROW(owner_html(facts), Error);
  facts = owner_facts();
  facts.images[0].pixels.pop_back();
  EXPECT_THROW(owner_html(facts), Error);
}

TEST(OwnerPage, HostileWordsStayWords) {
  const std::string hostile = "<script>alert(1)</script>\"'&";
  OwnerFacts facts = owner_facts();
  facts.name = facts.relation = facts.test_origin = hostile;
  facts.figures[0].name = facts.figures[0].note = hostile;
  facts.classes[0].name = hostile;
  facts.images[0].truth = facts.images[1].prediction = hostile;
  facts.example_columns = {hostile};
  facts.rows = {{hostile, hostile, 0.5, {hostile}}};
  facts.warnings = {hostile};
  const std::string page = owner_html(facts);
  EXPECT_EQ(page_check::problem(page), "");
  EXPECT_FALSE(has(page, "<script"));
}

}  // namespace
}  // namespace discreet
