"""Samples are uniform, the same in any order, and of bounded size; counts, ends and means are exact."""

import numpy as np
import pytest

from dataset.inspection.sampling import Sample, Survey


def ids(count: int) -> list[str]:
    return [f"row-{number}" for number in range(count)]


def sampled(numbers, size=50, step=7):
    sample = Sample(size)
    for first in range(0, len(numbers), step):
        block = numbers[first : first + step]
        sample.add([f"row-{number}" for number in block], {"number": np.array(block)})
    return sample.columns()["number"].tolist()


def test_the_order_of_rows_and_batches_changes_nothing(generator):
    there = sampled(list(range(1000)))
    assert sampled(generator.permutation(1000).tolist(), step=83) == there
    assert len(there) == len(set(there)) == 50


def test_the_first_rows_of_a_sample_are_a_smaller_sample():
    assert sampled(list(range(1000)), size=10) == sampled(list(range(1000)), size=50)[:10]


def test_all_rows_are_kept_when_there_are_few():
    assert sorted(sampled(list(range(40)))) == list(range(40))


def test_a_sample_is_uniform():
    chosen = np.array(sampled(list(range(20_000)), size=2000, step=4096))
    counts, _ = np.histogram(chosen, bins=10, range=(0, 20_000))
    assert counts.min() > 140
    assert counts.max() < 260


def test_a_sample_never_holds_more_than_a_few_times_its_size():
    sample = Sample(100)
    for block in range(50):
        names = [f"{block}-{number}" for number in range(300)]
        sample.add(names, {"value": np.zeros(300)})
        assert sum(len(keys) for keys, _ in sample._parts) <= 2 * 100
    assert len(sample.columns()["value"]) == 100


def test_counts_ends_and_means_are_of_all_rows(generator):
    survey, values = Survey(20), generator.normal(3, 2, (500, 2)).astype(np.float32)
    for first in range(0, 500, 60):
        survey.add(ids(500)[first : first + 60], {"size": values[first : first + 60]})
    found = survey.distributions(("size",))["size"]
    assert (found.count, found.low, found.high) == (1000, values.min(), values.max())
    assert found.mean == pytest.approx(values.astype(np.float64).mean(), abs=1e-12)
    assert found.sample.shape == (40,)
    assert found.is_thinned
    assert found.times(10).high == pytest.approx(10 * values.max())


def test_whole_numbers_are_counted_too():
    survey = Survey()
    survey.add(ids(3), {"vertices": np.array([4, 0, 2], dtype=np.int32)})
    found = survey.distributions(("vertices",))["vertices"]
    assert (found.low, found.high, found.mean, found.median, found.is_thinned) == (0, 4, 2, 2, False)


def test_a_survey_of_nothing_is_empty():
    found = Survey().distributions(("size",))["size"]
    assert found.count == 0
    assert np.isnan(found.median)
    assert Survey().columns() == {}
