#include "discreet/report/guarantee_words.h"

#include <vector>

#include "discreet/report/inference.h"
#include "discreet/report/numbers.h"
#include "discreet/report/page.h"
#include "discreet/report/plot.h"

namespace discreet {
namespace {

bool by_column(const Guarantee& guarantee) {
  return guarantee.unit.kind == "column";
}

// Belief before against belief after, in both directions.
Html belief_plot(const Guarantee& guarantee) {
  PlotLine most, least;
  most.shade_to_next = true;
  for (int i = 0; i <= 200; ++i) {
    const double prior = i / 200.0;
    most.points.push_back({100 * prior, 100 * highest_belief(guarantee.epsilon, prior)});
    least.points.push_back({100 * prior, 100 * lowest_belief(guarantee.epsilon, prior)});
  }
  Plot plot;
  plot.x = {.label = "Belief before seeing the model", .low = 0, .high = 100, .step = 25, .suffix = "%"};
  plot.y = {.label = "Belief after", .low = 0, .high = 100, .step = 25, .suffix = "%"};
  plot.lines = {most, least, {.points = {{0, 0}, {100, 100}}, .ink = Ink::kQuiet, .dashed = true}};
  const double even = 100 * highest_belief(guarantee.epsilon, 0.5);
  plot.dots = {{50, even}};
  // Words stand where the curve leaves room: inside a wide band, outside a narrow one.
  const bool wide = even > 90;
  plot.labels = {{.words = "at most " + percent_rounded_up(even / 100),
                  .at = {wide ? 54.0 : 46.0, wide ? even - 7 : even + 5},
                  .ink = Ink::kAccent,
                  .side = wide ? PlotLabel::Side::kLeft : PlotLabel::Side::kRight},
                 {.words = "nothing learned",
                  .at = {wide ? 53.0 : 65.0, wide ? 44.0 : 100 * lowest_belief(guarantee.epsilon, 0.65) - 8},
                  .ink = Ink::kQuiet}};
  plot.description = "Belief before and after seeing the model. From 50 % before, at most " +
                     percent_rounded_up(even / 100) + " after.";
  return draw(plot);
}

Html belief_table(const Guarantee& guarantee) {
  std::vector<std::vector<Html>> rows;
  for (const double prior : {0.01, 0.1, 0.5, 0.9}) {
    rows.push_back({text(percent_rounded_up(prior)),
                    text(percent_rounded_down(lowest_belief(guarantee.epsilon, prior))),
                    text(percent_rounded_up(highest_belief(guarantee.epsilon, prior)))});
  }
  return table("How sure someone who knows everything else can become (rounded outwards)",
               {{"Sure before", true}, {"Sure after, at least", true}, {"Sure after, at most", true}}, rows,
               false);
}

// What the observer wants to know. Two answers, whichever the relation.
std::string question(const Guarantee& guarantee) {
  const std::string rows = by_column(guarantee) ? "rows" : "row";
  const std::string were = by_column(guarantee) ? "were" : "was";
  switch (guarantee.relation) {
    case Relation::kAddOrRemoveOne: return "whether your " + rows + " " + were + " used to train this model";
    case Relation::kZeroOut:
      return "whether your " + rows + " " + were + " used to train this model, or left empty";
    case Relation::kReplaceOne:
      return "which of two things your " + rows +
             " said when this model was trained, for example an illness or good health";
  }
  return "";
}

}  // namespace

std::string unit_words(const Guarantee& guarantee) {
  return by_column(guarantee) ? "one person’s rows" : "one row";
}

std::string unit_sentence(const Guarantee& guarantee) {
  if (!by_column(guarantee)) return "Each row of the data counts by itself.";
  return "All rows with the same value of “" + guarantee.unit.column.value_or("") +
         "” count as one person’s" +
         (guarantee.unit.max_rows_per_unit
              ? "; at most " + with_commas(*guarantee.unit.max_rows_per_unit) + " of them take part."
              : ".");
}

std::string relation_words(const Guarantee& guarantee) {
  switch (guarantee.relation) {
    case Relation::kAddOrRemoveOne: return "add or remove";
    case Relation::kReplaceOne: return "replace";
    case Relation::kZeroOut: return "empty";
  }
  return "";
}

std::string relation_sentence(const Guarantee& guarantee) {
  const std::string unit = unit_words(guarantee);
  switch (guarantee.relation) {
    case Relation::kAddOrRemoveOne: return "The data with " + unit + ", and without.";
    case Relation::kReplaceOne: return "The data as it is, and with other content in " + unit + ".";
    case Relation::kZeroOut: return "The data as it is, and with " + unit + " emptied.";
  }
  return "";
}

std::string strength(const Guarantee& guarantee) {
  if (guarantee.epsilon <= 1) return "strong";
  return guarantee.epsilon <= 10 ? "reasonable" : "weak";
}

Html meaning_for_one(const Guarantee& guarantee) {
  const double epsilon = guarantee.epsilon;
  Html all =
      paragraph("Suppose someone wants to find out " + question(guarantee) +
                ". Suppose even that they know every other record, how the training works, and the finished "
                "model down to its last number.");
  all += paragraph(
      text("If both answers were equally likely to them before, then after studying the model they can be ") +
      strong("at most " + percent_rounded_up(highest_belief(epsilon, 0.5)) + " sure") +
      text(", and the best guess that anyone could make would be right at most " +
           percent_rounded_up(best_guess(epsilon, guarantee.delta, 0.5)) +
           " of the time. Without any protection that could be 100 %. If the model told them nothing, it "
           "would stay "
           "50 %."));
  all += figure(
      belief_plot(guarantee),
      text("Wherever someone starts, what they believe afterwards stays inside the shaded band. The narrower "
           "the band, the stronger the protection; epsilon sets its width."));
  all += belief_table(guarantee);
  all += paragraph(
      "How strong is that? Ponomareva and others (“How to DP-fy ML”, Journal of Artificial Intelligence "
      "Research 77, 2023) call a guarantee strong up to "
      "epsilon 1, reasonable up to 10, and weak to none above. By that measure this one, " +
      rounded_up(epsilon) + ", is " + strength(guarantee) + ".");
  if (guarantee.delta > 0) {
    all += paragraph(
        "Delta, " + one_in(guarantee.delta) +
        ", is a small allowance on top: the training behaves like a process that always stays inside the "
        "band, except with a probability of at most delta.");
  }
  all += paragraph(
      "These are ceilings, proved for every method of attack, known or not yet invented, and for whatever "
      "else the attacker knows or will learn, as long as what is listed under “What is not proven” holds. "
      "Nothing that is done with the model later can raise them: copying it, changing it, or asking it any "
      "number of questions. They are not a forecast: this report does not say how close a real attack "
      "would come.");
  if (!by_column(guarantee)) {
    all += notice(
        Tone::kPlain, "If one person has several rows",
        paragraph(
            text("The unit of this guarantee is one row. For a person with two rows the ceiling is that "
                 "of epsilon " +
                 rounded_up(2 * epsilon) + ": from 50 % to at most " +
                 percent_rounded_up(highest_belief(2 * epsilon, 0.5)) +
                 ". With every further row it rises, and delta grows faster than epsilon. Training "
                 "with ") +
            code("--unit COLUMN") +
            text(", a column that says whose row it is, protects all of a person’s rows together.")));
  }
  return all;
}

Html not_promised(const Guarantee& guarantee) {
  const auto item = [](std::string_view title, const std::string& words) {
    return strong(title) + text(" " + words);
  };
  return list({
      item("General truths are not hidden.",
           "A model that learns that a disease is more common among smokers reveals something about every "
           "smoker, "
           "whether or not their own record was used."),
      item("What many share is not hidden.",
           "The limit is for " + unit_words(guarantee) +
               "; what is the same in many records, such as a family’s or a "
               "village’s, can be learned."),
      item("Other releases add up.",
           "Other models or statistics made from the same people’s records spend privacy of their own."),
      item("The raw records are not protected by this.",
           "Whoever holds the records, or ran the training, sees them. So does whoever is given the owner’s "
           "page."),
      item("Declared facts are taken as public.",
           "Names, ranges and counts that the owner declared are in the package as they are."),
      item("It says nothing about quality or fairness.",
           "Noise costs accuracy, often more for small groups. Accuracy is not in this report, because it "
           "would be "
           "measured on private records."),
  });
}

}  // namespace discreet
