#include "discreet/report/owner_page.h"

#include <algorithm>
#include <cmath>

#include "discreet/base/error.h"
#include "discreet/base/text.h"
#include "discreet/report/numbers.h"
#include "discreet/report/page.h"
#include "discreet/report/plot.h"
#include "discreet/report/png.h"

namespace discreet {
namespace {

std::string percent(double probability, int decimals = 2) {
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f\u00A0%%", decimals, 100 * probability);
  return buffer;
}

Html percent_or_dash(const std::optional<double>& value) {
  return value ? number(*value, percent(*value, 1)) : text("—");
}

Html count(int64_t value) {
  return number(static_cast<double>(value), with_commas(value));
}

// Room above and below the curve, on numbers that read well.
PlotAxis loss_axis(const OwnerFacts& facts) {
  double low = INFINITY, high = -INFINITY;
  for (const auto* curve : {&facts.training_loss, &facts.test_loss}) {
    for (const LossPoint& point : *curve) low = std::min(low, point.loss), high = std::max(high, point.loss);
  }
  const double range = std::max({high - low, 1e-6 * std::abs(high), 1e-12});
  const double raw = range / 3;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double step = raw / power > 5   ? 10 * power
                      : raw / power > 2 ? 5 * power
                      : raw / power > 1 ? 2 * power
                                        : power;
  return {.label = "Loss",
          .low = step * std::floor(low / step),
          .high = step * (std::floor(high / step) + 1),
          .step = step};
}

// What can be drawn of a curve: its finite points; where these are very many, means of equal stretches of
// them.
std::vector<LossPoint> drawable(const std::vector<LossPoint>& curve) {
  constexpr size_t kMost = 300;
  std::vector<LossPoint> finite, means;
  for (const LossPoint& point : curve) {
    if (std::isfinite(point.step) && std::isfinite(point.loss)) finite.push_back(point);
  }
  if (finite.size() <= kMost) return finite;
  for (size_t i = 0; i < kMost; ++i) {
    const size_t begin = i * finite.size() / kMost, end = (i + 1) * finite.size() / kMost;
    LossPoint mean;
    for (size_t j = begin; j < end; ++j) {
      mean.step += finite[j].step / static_cast<double>(end - begin);
      mean.loss += finite[j].loss / static_cast<double>(end - begin);
    }
    means.push_back(mean);
  }
  return means;
}

// A duration that does not break over two lines.
std::string duration(double seconds) {
  std::string words;
  for (const char c : format_duration(seconds)) words += c == ' ' ? std::string("\u00A0") : std::string(1, c);
  return words;
}

Html loss_curve(const OwnerFacts& facts) {
  Plot plot;
  plot.y = loss_axis(facts);
  double last = 1;
  for (const auto* curve : {&facts.training_loss, &facts.test_loss}) {
    if (!curve->empty()) last = std::max(last, curve->back().step);
  }
  const auto add = [&](const std::vector<LossPoint>& curve, const std::string& name, Ink ink, double shift) {
    if (curve.size() < 2) return;
    PlotLine line;
    line.ink = ink;
    for (const LossPoint& point : curve) line.points.push_back({point.step, point.loss});
    plot.labels.push_back({name, {1.02 * last, curve.back().loss + shift}, ink, PlotLabel::Side::kLeft});
    plot.lines.push_back(std::move(line));
  };
  // The names stand beside the curves' ends, moved apart where these are close.
  double shift = 0;
  if (facts.training_loss.size() > 1 && facts.test_loss.size() > 1) {
    const double gap = facts.test_loss.back().loss - facts.training_loss.back().loss;
    const double least = 0.075 * (plot.y.high - plot.y.low);
    if (std::abs(gap) < least) shift = (gap < 0 ? -1 : 1) * (least - std::abs(gap)) / 2;
  }
  add(facts.training_loss, "training", Ink::kSecond, -shift);
  add(facts.test_loss, "test", Ink::kAccent, shift);
  plot.x = {.label = "Steps", .low = 0, .high = last};
  plot.right_margin = 9;
  plot.description = "Loss after each part of the training";
  return figure(draw(plot), text("Loss during training. Private records went into every point."));
}

void require_square(const OwnerFacts& facts) {
  bool square = facts.classes.size() == facts.confusion.size();
  for (const auto& line : facts.confusion) square = square && line.size() == facts.confusion.size();
  if (!square) {
    throw Error(ErrorKind::kInvalidArgument,
                "the confusion matrix must have one row and one column for each class");
  }
}

Html confusion_table(const OwnerFacts& facts) {
  std::vector<TableColumn> columns = {{"Truth"}};
  for (const ClassFacts& one : facts.classes) columns.push_back({one.name, true});
  std::vector<std::vector<Html>> rows;
  for (size_t truth = 0; truth < facts.classes.size(); ++truth) {
    std::vector<Html> cells = {text(facts.classes[truth].name)};
    for (size_t guess = 0; guess < facts.classes.size(); ++guess) {
      const int64_t records = facts.confusion[truth][guess];
      const Html words = records == 0 ? element("span", {{"class", "faint"}}, text("0")) : count(records);
      cells.push_back(truth == guess ? strong(words) : words);
    }
    rows.push_back(std::move(cells));
  }
  return table("Confusion: rows are the truth, columns what the model said", columns, rows, false);
}

// For data with so many classes that a square table of them cannot be read.
Html mistakes_table(const OwnerFacts& facts, size_t most) {
  struct Mistake {
    int64_t records;
    size_t truth, guess;
  };
  std::vector<Mistake> mistakes;
  for (size_t truth = 0; truth < facts.classes.size(); ++truth) {
    for (size_t guess = 0; guess < facts.classes.size(); ++guess) {
      const int64_t records = facts.confusion[truth][guess];
      if (truth != guess && records > 0) mistakes.push_back({records, truth, guess});
    }
  }
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.records > b.records; });
  if (mistakes.size() > most) mistakes.resize(most);
  std::vector<std::vector<Html>> rows;
  for (const Mistake& one : mistakes) {
    rows.push_back(
        {text(facts.classes[one.truth].name), text(facts.classes[one.guess].name), count(one.records)});
  }
  return table("The most frequent mistakes", {{"Truth"}, {"What the model said"}, {"Records", true}}, rows,
               false);
}

Html class_table(const OwnerFacts& facts) {
  std::vector<std::vector<Html>> rows;
  for (const ClassFacts& one : facts.classes) {
    rows.push_back({text(one.name), count(one.training_records), count(one.test_records),
                    percent_or_dash(one.recall), percent_or_dash(one.precision)});
  }
  return table(
      "By class. Recall: share of the class that was found. Precision: share of what was called so that is "
      "so.",
      {{"Class"}, {"Training records", true}, {"Test records", true}, {"Recall", true}, {"Precision", true}},
      rows, false);
}

Html picture_examples(const std::vector<ExampleImage>& images) {
  Html items;
  for (const ExampleImage& image : images) {
    const Html picture =
        element("img", {{"src", png_data_uri(image.width, image.height, image.channels, image.pixels)},
                        {"alt", "Test record of class " + image.truth},
                        {"width", std::to_string(image.width)},
                        {"height", std::to_string(image.height)}});
    const bool right = image.truth == image.prediction;
    const Html words = right ? text(image.prediction + " ")
                             : element("span", {{"class", "wrong"}}, text(image.prediction)) +
                                   text(", is " + image.truth + " ");
    items += element(
        "li", picture + words + element("span", {{"class", "faint"}}, text(percent(image.confidence, 0))));
  }
  return element("ul", {{"class", "examples"}}, items);
}

Html row_examples(const OwnerFacts& facts) {
  const bool confident = std::any_of(facts.rows.begin(), facts.rows.end(),
                                     [](const ExampleRow& row) { return row.confidence.has_value(); });
  std::vector<TableColumn> columns = {{"Truth"}, {"Prediction"}};
  if (confident) columns.push_back({"Confidence", true});
  for (const std::string& name : facts.example_columns) columns.push_back({name});
  std::vector<std::vector<Html>> rows;
  for (const ExampleRow& row : facts.rows) {
    const bool right = row.truth == row.prediction;
    std::vector<Html> cells = {
        text(row.truth),
        right ? text(row.prediction) : element("span", {{"class", "wrong"}}, text(row.prediction))};
    if (confident) cells.push_back(row.confidence ? text(percent(*row.confidence, 0)) : text("—"));
    for (const std::string& cell : row.cells) cells.push_back(text(cell));
    rows.push_back(std::move(cells));
  }
  return table("Some test records", columns, rows, false);
}

std::string amount(const OwnerFacts::Guessing& guessing, double value) {
  return guessing.as_percent ? percent(value, 1) : significant(value);
}

// By more than two standard errors.
bool clearly_better(const OwnerFacts::Guessing& guessing) {
  const double gain = guessing.as_percent ? guessing.model - guessing.guess : guessing.guess - guessing.model;
  return gain > guessing.margin;
}

}  // namespace

std::string guessing_line(const OwnerFacts& facts) {
  if (!facts.guessing) return "";
  const OwnerFacts::Guessing& guessing = *facts.guessing;
  std::string line = guessing.measure + " " + amount(guessing, guessing.model) + " (" + guessing.answer +
                     ": " + amount(guessing, guessing.guess);
  if (facts.test_records < kEnoughTestRecords) {
    line += "; too few records to tell them apart";
  } else if (!clearly_better(guessing)) {
    line += "; the model is no better";
  }
  return line + ")";
}

std::string guessing_sentence(const OwnerFacts& facts) {
  if (!facts.guessing) return "";
  const OwnerFacts::Guessing& guessing = *facts.guessing;
  const std::string both = guessing.measure + " " + amount(guessing, guessing.model) + ", against " +
                           amount(guessing, guessing.guess) + " for " + guessing.answer;
  if (facts.test_records < kEnoughTestRecords) {
    return "Whether the model is better than guessing cannot be told from " +
           with_commas(facts.test_records) + " records: " + both + ".";
  }
  if (!clearly_better(guessing)) {
    return "The model is no better than answering " + guessing.answer + ": " + both +
           ", which is within what chance explains.";
  }
  return "The model is better than guessing: " + both + ", on the same records.";
}

std::string owner_html(const OwnerFacts& given) {
  OwnerFacts facts = given;
  facts.training_loss = drawable(given.training_loss);
  facts.test_loss = drawable(given.test_loss);
  Page page("For the owner only", facts.name,
            text("How good the model is, measured on records that are private."));
  page.add(notice(
      Tone::kWarning, "Derived from private records. Keep it to yourself.",
      paragraph("Nothing on this page is covered by the guarantee: the figures, the curve and the examples "
                "come straight from the records. It is not part of the package and must not be passed on "
                "with it. The page that is made to be shown is report.html in the package.")));
  std::vector<KeyFact> keys;
  for (const OwnerFacts::Figure& figure : facts.figures) {
    keys.push_back(
        {figure.name,
         number(figure.value, figure.as_percent ? percent(figure.value) : significant(figure.value)),
         text(figure.note)});
  }
  keys.push_back({"Epsilon", number(facts.epsilon, rounded_up(facts.epsilon)),
                  text(facts.is_private ? facts.relation + ", delta " + one_in(facts.delta)
                                        : "NOT PRIVATE: made with a test seed")});
  page.add(key_facts(keys));

  const std::string trained = "Trained on " + with_commas(facts.training_records) + " records in " +
                              duration(facts.training_seconds) + ".";
  Html measured = facts.test_records > 0
                      ? paragraph("Measured on " + with_commas(facts.test_records) +
                                  " records: " + facts.test_origin + ". " + trained)
                      : paragraph("No records were kept aside, so nothing was measured. " + trained);
  if (const std::string words = guessing_sentence(facts); !words.empty())
    measured += paragraph(strong(text(words)));
  if (facts.training_loss.size() > 1 || facts.test_loss.size() > 1) measured += loss_curve(facts);
  page.section("quality", "How good it is", measured);
  if (!facts.classes.empty()) {
    Html by_class = class_table(facts);
    if (!facts.confusion.empty()) {
      require_square(facts);
      by_class += facts.classes.size() <= 16 ? confusion_table(facts) : mistakes_table(facts, 30);
    }
    page.section("classes", "Class by class", by_class);
  }
  if (!facts.images.empty() || !facts.rows.empty()) {
    Html examples = paragraph("Some test records, drawn at random.");
    if (!facts.images.empty()) examples += picture_examples(facts.images);
    if (!facts.rows.empty()) examples += row_examples(facts);
    page.section("examples", "Some predictions", examples);
  }
  if (!facts.warnings.empty()) {
    std::vector<Html> items;
    for (const std::string& warning : facts.warnings) items.push_back(text(warning));
    page.section("warnings", "What was noticed", list(items));
  }
  page.section(
      "use", "What may be done with these figures",
      paragraph("Choosing between models by these figures uses the private records once more. Training again "
                "charges the data set’s ledger again; publishing an accuracy measured here is a release that "
                "no ledger counts."));
  return page.html(
      paragraph("Made by Discreet for the owner of the data. Readable by the account that made it alone."));
}

}  // namespace discreet
