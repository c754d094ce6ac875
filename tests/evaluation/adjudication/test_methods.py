"""Every method's order on the toy, written down by hand with the rule's arithmetic; ties go to the first run."""

from __future__ import annotations

import numpy as np
import pytest

from periti.errors import UnknownName
from periti.evaluation.adjudication.methods import METHODS, NOTHING, dice, open_method
from periti.evaluation.adjudication.methods.active import ActiveSampling, weighted_ap
from periti.evaluation.adjudication.orders import Order, follow, inclusion
from tests.evaluation.adjudication.toy import RELEVANT, Dice, random_pool, toy_topic


def order_of(name: str, chance: Dice | None = None) -> str:
    topic = toy_topic()
    chooser = METHODS[name](topic, chance or Dice())
    order = []
    while (doc := chooser.choose()) != NOTHING:
        order.append(topic.doc_ids[doc])
        chooser.tell(doc, relevant=topic.doc_ids[doc] in RELEVANT)
    return " ".join(order)


def test_depth_goes_by_the_best_rank_and_then_by_id() -> None:
    # Best ranks: d1 1, d2 1, d3 1, d5 2, d6 3, d4 4.
    assert order_of("depth") == "d1 d2 d3 d5 d6 d4"


def test_docid_goes_by_id() -> None:
    assert order_of("docid") == "d1 d2 d3 d4 d5 d6"


def test_random_goes_by_the_permutation() -> None:
    # The toy's permutation gives d1 the largest number and d6 the smallest.
    assert order_of("random") == "d1 d2 d3 d4 d5 d6"


def test_borda_adds_points_and_shares_the_rest_among_documents_a_run_lacks() -> None:
    # Six documents, ranks 1-4 give 6 5 4 3, the two that are lacking (2 + 1) / 2 = 1.5 each:
    # d1 6+4+1.5=11.5, d2 5+6+5=16, d3 4+1.5+6=11.5, d4 3+1.5+1.5=6, d5 1.5+5+3=9.5, d6 1.5+3+4=8.5.
    assert order_of("borda") == "d2 d1 d3 d5 d6 d4"
    worth = METHODS["borda"](toy_topic(), Dice()).worth * 18  # type: ignore[attr-defined]
    assert worth == pytest.approx([11.5, 16, 11.5, 6, 9.5, 8.5])


def test_rrf_adds_reciprocal_ranks() -> None:
    # d2 1/62+1/61+1/62=.0487, d1 and d3 1/61+1/63=.03227, d5 1/62+1/64=.03175, d6 1/63+1/64=.0315, d4 1/64=.0156.
    assert order_of("rrf") == "d2 d1 d3 d5 d6 d4"


def test_move_to_front_stays_with_relevant_and_moves_on_after_others() -> None:
    # A4 B4 C4. A: d1 no, A3. B: d2 yes, stay; d5 no, B3. C: d3 no, C3. A: d4 no, A2 and exhausted. B: d6.
    assert order_of("mtf") == "d1 d2 d5 d3 d4 d6"


def test_hedge_multiplies_weights_by_a_tenth_to_the_loss() -> None:
    # 1/2 ln(5 / rank): .8047 .4581 .2554 .1116, absent 0. d2 1.721 leads; relevant: A 2.872, B 6.378, C 2.872.
    # d1 2.872*.8047+6.378*.2554=3.940 beats d5 3.242 and d3 3.044; not relevant: A .4503, B 3.542.
    # d3 2.426 beats d5 1.943; not: A .2501, C .4503. d5 1.673 beats d6 .510; not: B 1.234, C .348. d6 .227, d4 .028.
    assert order_of("hedge") == "d2 d1 d3 d5 d6 d4"


def test_hedge_keeps_weights_of_the_hand_computed_size() -> None:
    topic = toy_topic()
    chooser = METHODS["hedge"](topic, Dice())
    chooser.tell(1, relevant=True)
    chooser.tell(0, relevant=False)
    weights = np.exp(chooser.log_weight)  # type: ignore[attr-defined]
    assert weights == pytest.approx([10 ** (0.45815 - 0.80472), 10 ** (0.80472 - 0.25541), 10**0.45815], rel=1e-4)


def test_max_mean_reads_the_run_with_the_best_record() -> None:
    # Means 1/2. A: d1 no: A 1/3 B 1/3. C: d3 no: A 1/4 C 1/3. B (ties C): d2 yes: A 2/5 B 1/2 C 1/2.
    # B: d5 no: B 2/5 C 2/5. A: d4 no. B: d6.
    assert order_of("mm") == "d1 d3 d2 d5 d4 d6"


def test_max_mean_without_memory_looks_at_the_last_judgement_only() -> None:
    # A: d1 no: A 1/3 B 1/3. C: d3 no: A 1/3 C 1/3. A (all tie): d2 yes: all 2/3. A: d4 no. B: d5 no. B: d6.
    assert order_of("mm-ns") == "d1 d3 d2 d4 d5 d6"


DRAWS = [[0.1, 0.9, 0.5], [0.2, 0.1, 0.8], [0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.2, 0.9], [0.9, 0.0, 0.0]]


def test_thompson_reads_the_run_with_the_largest_draw() -> None:
    chance = Dice(betas=DRAWS)
    # B: d2 yes, all alpha 2. C: d3 no, beta of A and C 2. A: d1 no, beta of A 3, B 2. B: d5. C: d6. A: d4.
    assert order_of("ts", chance) == "d2 d3 d1 d5 d6 d4"
    assert chance.asked[:4] == [
        ([1, 1, 1], [1, 1, 1]),
        ([2, 2, 2], [1, 1, 1]),
        ([2, 2, 2], [2, 1, 2]),
        ([2, 2, 2], [3, 2, 2]),
    ]


def test_thompson_without_memory_keeps_the_last_judgement_only() -> None:
    chance = Dice(betas=DRAWS)
    assert order_of("ts-ns", chance) == "d2 d3 d1 d5 d6 d4"
    assert chance.asked[:4] == [
        ([1, 1, 1], [1, 1, 1]),
        ([2, 2, 2], [1, 1, 1]),
        ([1, 2, 1], [2, 1, 2]),
        ([1, 1, 1], [2, 2, 2]),
    ]


def test_upper_confidence_tries_every_run_first() -> None:
    # A: d1 no, and A and B have one judgement. C: d3 no. t=2: A .294, B and C sqrt(ln2/4)=.416: B: d2 yes.
    # t=3: A 1/3+.303, B and C 1/2+.371: B: d5 no. t=4: all 1/3+.340: A: d4 no. B: d6.
    assert order_of("ucb") == "d1 d3 d2 d5 d4 d6"


def test_upper_confidence_bound_is_the_hand_computed_one() -> None:
    chooser = METHODS["ucb"](toy_topic(), Dice())
    for doc, relevant in ((0, False), (2, False), (1, True)):
        chooser.tell(doc, relevant=relevant)
    expected = [1 / 3 + np.sqrt(np.log(3) / 3 / 4), 0.5 + np.sqrt(np.log(3) / 2 / 4), 0.5 + np.sqrt(np.log(3) / 2 / 4)]
    assert chooser.index == pytest.approx(expected)  # type: ignore[attr-defined]


def test_epsilon_greedy_is_max_mean_while_it_does_not_explore() -> None:
    assert order_of("egreedy") == order_of("mm")
    assert order_of("egreedy-ns") == order_of("mm-ns")


def test_epsilon_greedy_takes_a_random_run_when_it_explores() -> None:
    # Jitter of the arms, then the coin .05 < .1, then the random worths: C is read first.
    chance = Dice(uniforms=[[0.9, 0.7, 0.5], [0.05], [0.2, 0.1, 0.9]])
    assert order_of("egreedy", chance).startswith("d3")


def test_random_arm_reads_the_run_that_the_dice_say() -> None:
    jitter = [[0.1, 0.9, 0.5], [0.2, 0.1, 0.8], [0.9, 0.1, 0.1], [0.1, 0.9, 0.1], [0.1, 0.2, 0.9], [0.9, 0.0, 0.0]]
    assert order_of("random-arm", Dice(uniforms=jitter)) == "d2 d3 d1 d5 d6 d4"


def sampled() -> ActiveSampling:
    chooser = ActiveSampling(toy_topic(), Dice(uniforms=[[0.5, 0.5], [0.5, 0.9]]))
    assert chooser.choose() == 1
    chooser.tell(1, relevant=True)
    assert chooser.choose() == 2
    chooser.tell(2, relevant=False)
    return chooser


def test_active_sampling_draws_by_the_mixture_of_runs() -> None:
    # ln(5 / rank): 1.6094 .9163 .5108 .2231, sum 3.2597. Even weights: p = (1.6094+.5108)/9.779=.2168 for d1 and d3,
    # d2 .3520, d4 .0228, d5 .1165, d6 .0750; .5 falls on d2. Relevant at 2, 1, 2: AP 1/2 1 1/2, weights 1/4 1/2 1/4.
    chooser = sampled()
    assert chooser.chances[0] == pytest.approx([0.21681, 0.35198, 0.21681, 0.02282, 0.11652, 0.07505], abs=2e-5)
    # Then d1 .2018, d2 .3874, d3 .1626, d4 .0171, d5 .1577, d6 .0734; new ones .6126, half of it falls on d3;
    # ln(.1) / ln(1 - .6126) = 2.43 repeats came before.
    assert chooser.chances[1] == pytest.approx([0.20178, 0.38741, 0.16261, 0.01711, 0.15766, 0.07340], abs=2e-5)
    assert chooser.draws == [1, 3]


def test_inclusion_chances_follow_from_the_draws() -> None:
    chooser = sampled()
    order = Order(np.array([1, 2]), np.zeros(2), np.array(chooser.chances), np.array(chooser.draws, dtype=np.float64))
    missed = (1 - 0.35198) * (1 - 0.38741) ** 3, (1 - 0.21681) * (1 - 0.16261) ** 3
    neither = (1 - 0.35198 - 0.21681) * (1 - 0.38741 - 0.16261) ** 3
    both = 1 - missed[0] - missed[1] + neither
    expected = np.array([[1 - missed[0], both], [both, 1 - missed[1]]])
    assert inclusion(order, 2, np.array([1, 2])) == pytest.approx(expected, abs=1e-4)
    assert (inclusion(order, 6, np.array([1, 2])) == 1).all()  # a census


def test_weighted_ap_divides_pairs_by_their_chance() -> None:
    # Ranks 1 and 3, chances .5 and .25, of both .2. R = 2 + 4; 1/1/.5 + 1/3/.25 + 1/3/.2 = 2 + 4/3 + 5/3 = 5; 5/6.
    joint = np.array([[0.5, 0.2], [0.2, 0.25]])
    assert weighted_ap(np.array([[1, 3], [0, 0]]), joint) == pytest.approx([5 / 6, 0])
    assert weighted_ap(np.array([[1, 3]]), joint, cutoff=2) == pytest.approx([2 / 6])


def test_estimates_of_active_sampling_are_right_on_average() -> None:
    pool = random_pool(3)
    topic = pool.topics[0]
    relevant = np.flatnonzero(topic.grades > 0)
    estimates = []
    for seed in range(400):
        order = follow("active", topic, seed=seed, limit=len(topic) // 2)
        found = np.intersect1d(order.docs, relevant)
        estimates.append((1 / np.diagonal(inclusion(order, len(order.docs), found))).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    # Weights that follow the sample leave a little bias; ignoring the chances would find half of them.
    assert np.mean(estimates) == pytest.approx(len(relevant), abs=3 * error + 0.1 * len(relevant))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_judges_every_document_once(name: str) -> None:
    for topic in random_pool(1).topics:
        assert sorted(follow(name, topic, seed=7, limit=len(topic)).docs) == list(range(len(topic)))


@pytest.mark.parametrize("name", METHODS)
def test_choosing_changes_nothing_and_telling_alone_does(name: str) -> None:
    topic = random_pool(2).topics[0]
    asked, quiet = (METHODS[name](topic, dice(5, topic.query_id)) for _ in range(2))
    for _ in range(len(topic)):
        doc = quiet.choose()
        assert [asked.choose(), asked.choose({doc}), asked.choose()][::2] == [doc, doc]
        for chooser in (asked, quiet):
            chooser.tell(doc, relevant=bool(topic.grades[doc]))


@pytest.mark.parametrize("name", METHODS)
def test_documents_that_others_hold_are_passed_over_until_none_is_left(name: str) -> None:
    topic = toy_topic()
    chooser = METHODS[name](topic, Dice())
    held: set[int] = set()
    while (doc := chooser.choose(held)) != NOTHING:
        assert doc not in held
        held.add(doc)
    assert held == set(range(6))


def test_seeds_differ_and_repeat() -> None:
    topic = random_pool(1).topics[0]
    orders = [follow("random", topic, seed=seed, limit=len(topic)).docs.tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'hedge'"):
        open_method("hegde")
