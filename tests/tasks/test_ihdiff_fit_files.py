"""Files of observations: what is read from them, and the one sentence that says what is wrong."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dataset.assets.gestures import load_gestures
from dataset.errors import InputError
from dataset.rows import pose_cell
from hands.gestures import gesture_pose
from hands.joints import Side
from hands.pose import TwoHandPose
from models.ihdiff.representation import unpack
from tasks.ihdiff.fitting import FitOrder, read_observations

NAN = float("nan")


@pytest.fixture(scope="module")
def poses(hands) -> TwoHandPose:
    gestures = load_gestures(names=("clasp", "prayer", "hand_heart"))
    return TwoHandPose.stack([gesture_pose(g, hands[Side.RIGHT], hands[Side.LEFT]) for g in gestures])


@pytest.fixture(scope="module")
def joints(poses, hands) -> torch.Tensor:
    return torch.cat([hands[side].joints_21(poses.side(side).pose(hands[side])) for side in Side], dim=1)


@pytest.fixture
def write(tmp_path):
    """Writes columns as a file."""

    def file(**columns: list):
        path = tmp_path / "seen.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return file


def flat(points: torch.Tensor) -> list[list[float]]:
    return points.flatten(1).tolist()


def cells(poses: TwoHandPose, side: Side) -> list[dict]:
    return [
        {name: value.tolist() for name, value in pose_cell(poses.side(side)[[row]]).items()}
        for row in range(len(poses))
    ]


def test_joints_are_read_and_nan_or_null_is_not_seen(write, joints, hands):
    rows = flat(joints)
    rows[1][15], rows[2][0], rows[2][1] = NAN, None, NAN  # a part of joint 5, a part of joint 0
    names, found = read_observations(write(pose_id=["a", None, "c"], joints_3d=rows), hands)
    assert names == ["a", "seen-000001", "c"] and found.placed and found.vertices is None is found.regressed
    assert (~found.joints_3d_seen).nonzero().tolist() == [[1, 5], [2, 0]]
    assert torch.equal(found.known("joints_3d")[0], joints[0])


def test_names_are_files_in_the_folder_and_no_two_are_alike(write, joints, hands):
    names, _ = read_observations(write(pose_id=["../../a", "b c", "d/e"], joints_3d=flat(joints)), hands)
    assert names == [".._.._a", "b_c", "d_e"]
    with pytest.raises(InputError, match="pose_id has a name twice; give every hand pair its own"):
        read_observations(write(pose_id=["a", "b", "a"], joints_3d=flat(joints)), hands)


def test_a_mask_and_nan_both_hide(write, joints, hands):
    rows, mask = flat(joints), torch.ones(3, 42, dtype=torch.bool)
    rows[0][0], mask[0, 7] = NAN, False
    _, found = read_observations(write(joints_3d=rows, joints_3d_seen=mask.tolist()), hands)
    assert (~found.joints_3d_seen).nonzero().tolist() == [[0, 0], [0, 7]]


def test_joints_may_be_nested_lists(write, joints, hands):
    _, found = read_observations(write(joints_3d=joints.tolist()), hands)
    assert torch.equal(found.joints_3d, joints)


def test_an_image_and_its_camera_are_read(write, joints, hands):
    K = torch.tensor([[500.0, 0, 256], [0, 500, 256], [0, 0, 1]])
    ahead = joints + torch.tensor([0.0, 0.0, 0.6])
    pixels = (ahead @ K.T)[..., :2] / ahead[..., 2:]
    pixels[1, 3] = NAN
    _, found = read_observations(write(joints_2d=flat(pixels), camera_K=[K.flatten().tolist()] * 3), hands)
    assert torch.equal(found.camera[2], K) and (~found.joints_2d_seen).nonzero().tolist() == [[1, 3]]
    _, without = read_observations(write(joints_2d=flat(pixels)), hands)
    assert without.camera is None and without.joints_3d is None


def test_surfaces_and_a_regressors_answer_are_read(write, poses, hands):
    vertices = torch.cat([poses.side(side).pose(hands[side]).vertices for side in Side], dim=1)
    columns = {str(side): cells(poses, side) for side in Side}
    _, found = read_observations(write(vertices=flat(vertices), **columns), hands)
    assert torch.equal(found.vertices, vertices)
    again = unpack(found.regressed, hands)
    for side in Side:
        assert torch.allclose(
            again.side(side).pose(hands[side]).vertices, vertices.chunk(2, 1)[side is Side.LEFT], atol=1e-5
        )


def test_a_datasets_images_give_their_joints(tmp_path, joints, hands):
    (tmp_path / "images").mkdir()
    halves = {side: flat(half) for side, half in zip(("right", "left"), joints.chunk(2, 1), strict=True)}
    columns = {side: [{"joints_3d": row} for row in rows] for side, rows in halves.items()}
    pq.write_table(pa.table({"sample_id": ["s0", "s1", "s2"], **columns}), tmp_path / "images" / "00000.parquet")
    names, found = read_observations(tmp_path, hands)
    assert names == ["s0", "s1", "s2"] and torch.equal(found.joints_3d, joints)


def test_no_file_and_no_observation(tmp_path, write, hands):
    def said(path) -> str:
        with pytest.raises(InputError) as raised:
            read_observations(path, hands)
        return str(raised.value)

    assert "nowhere.parquet: no such file" in said(tmp_path / "nowhere.parquet")
    assert "holds no images" in said(tmp_path)
    (tmp_path / "text.parquet").write_text("joints")
    assert "cannot be read as Parquet" in said(tmp_path / "text.parquet")
    assert "observes nothing; give one of the columns joints_3d, joints_2d" in said(
        write(pose_id=["a"], camera=[[1.0]])
    )
    assert "has no rows" in said(write(joints_3d=pa.array([], pa.list_(pa.float64()))))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda rows: rows[1][:63], "row 1 (b): joints_3d has 63 values; give 126"),
        (lambda rows: [NAN] * 126, "of hand pairs 1 nothing is seen"),
        (lambda rows: None, "of hand pairs 1 nothing is seen"),
        (
            lambda rows: [1000 * number for number in rows[1]],
            "row 1 (b): joints_3d show a hand .* are they in millimetres",
        ),
        (lambda rows: [number + 20 for number in rows[1]], "row 1 (b): .* 34.* m away; are they in millimetres"),
        (lambda rows: [5 * number for number in rows[1]], "row 1 (b): joints_3d show a hand .* give metres"),
        (lambda rows: [number / 100 for number in rows[1]], "row 1 (b): joints_3d show a hand .* give metres"),
        (lambda rows: rows[1][:6] + [NAN] * 120, "need a regressor's answer, vertices, 3 seen joints"),
    ],
)
def test_rows_that_cannot_be_used_are_named(write, joints, hands, spoil, sentence):
    rows = flat(joints)
    rows[1] = spoil(rows)
    with pytest.raises(InputError, match=sentence.replace("(b)", r"\(b\)")):
        read_observations(write(pose_id=["a", "b", "c"], joints_3d=rows), hands)


def test_a_mask_that_hides_everything_names_the_row(write, joints, hands):
    mask = [[True] * 42, [True] * 42, [False] * 42]
    with pytest.raises(InputError, match=r"seen\.parquet: of hand pairs 2 nothing is seen"):
        read_observations(write(joints_3d=flat(joints), joints_3d_seen=mask), hands)


def test_other_columns_are_checked_too(write, joints, poses, hands):
    with pytest.raises(InputError, match=r"row 0 .*joints_3d is no list of numbers"):
        read_observations(write(joints_3d=[["one"] * 126]), hands)
    with pytest.raises(InputError, match="joints_3d_seen has 21 values; give 42"):
        read_observations(write(joints_3d=flat(joints), joints_3d_seen=[[True] * 21] * 3), hands)
    with pytest.raises(InputError, match="camera_K has 4 values; give 9"):
        read_observations(write(joints_2d=[[1.0] * 84], camera_K=[[1.0] * 4]), hands)
    with pytest.raises(InputError, match="cameras 0 are no intrinsics"):
        read_observations(write(joints_2d=[list(range(84))], camera_K=[[0.0] * 9]), hands)
    with pytest.raises(InputError, match="no column left; give both"):
        read_observations(write(right=cells(poses, Side.RIGHT)), hands)
    left = [*cells(poses, Side.LEFT)[:2], None]
    with pytest.raises(InputError, match=r"\[2\]\.left: missing hand; both hands of every row must be sound"):
        read_observations(write(right=cells(poses, Side.RIGHT), left=left), hands)


def test_orders_that_make_no_sense_are_refused(tmp_path):
    for wrong in ({"batch": 0}, {"steps": 0}, {"steps": 1001}, {"start": 0.0}, {"start": 1.5}, {"step_size": NAN}):
        with pytest.raises(InputError, match="batch must be 1 or more, steps 1 to 1000, start above 0"):
            FitOrder(tmp_path, tmp_path, tmp_path, **wrong)
    with pytest.raises(InputError, match="device: 'tpu9' is no device"):
        FitOrder(tmp_path, tmp_path, tmp_path, device="tpu9")
