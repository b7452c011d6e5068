// What someone who sees the model can at most infer about one unit, from (epsilon, delta) alone.
//
// Two worlds that differ in one unit (present or absent, or one value or another) are compared. The bounds
// hold for every attacker, whatever else they know, and say nothing about how well known attacks do. All are
// consequences of P(S) <= e^epsilon Q(S) + delta in both directions, for every set of outcomes S
// (hypothesis-testing form: Wasserman and Zhou 2010, "A statistical framework for differential privacy", for
// delta = 0; Kairouz, Oh and Viswanath 2015, "The composition theorem for differential privacy").
#pragma once

namespace discreet {

// All arguments: epsilon >= 0, delta and probabilities in [0, 1].

// Belief in "present" after seeing the model, at most, from a belief `prior` before it: the odds grow by at
// most e^epsilon. With delta > 0 this holds for a process that can be told from the real one with an
// advantage of at most delta (Dwork and Roth 2014, "The algorithmic foundations of differential privacy",
// Lemma 3.17). prior in [0, 1].
double highest_belief(double epsilon, double prior);
// The same downwards: the odds shrink by at most e^epsilon.
double lowest_belief(double epsilon, double prior);

// Probability that the best possible guess "present or absent" is right, at most, where `prior` is the
// probability of "present": the largest of prior * TPR + (1 - prior) * (1 - FPR) over all tests that
// (epsilon, delta) allows. At prior 1/2: (e^epsilon + delta) / (1 + e^epsilon). Exact with delta included.
double best_guess(double epsilon, double delta, double prior);

}  // namespace discreet
