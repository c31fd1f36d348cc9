"""Text that is no UTF-8, or not all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import at_most

from metarunlog.logs.encodings import BROKEN
from metarunlog.logs.find import LogFile
from metarunlog.logs.parsed import parse
from metarunlog.logs.source import read_text

CHINESE = "".join(f"第{i}轮 训练损失: {1 / i:.4f} 验证准确率: {i}.00% 学习率=0.01\n" for i in range(1, 30))
FULLWIDTH = "".join(f"epoch: {i}，loss：{1 / i:.4f}，准确率：0.5\n" for i in range(1, 30))
TRADITIONAL = "".join(f"第{i}輪 訓練損失: {1 / i:.4f} 驗證準確率: {i}.00% 學習率=0.01\n" for i in range(1, 30))
JAPANESE = "".join(f"エポック {i} 損失: {1 / i:.4f} 学習率は0.01です\n" for i in range(1, 30))
KOREAN = "".join(f"에포크 {i} 손실: {1 / i:.4f} 검증 정확도: 0.5 학습률=0.01\n" for i in range(1, 30))
SHORT = "轮次,训练损失,准确率\n1,2.5,0.5\n2,2.25,0.6\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *(
            (text, "gb18030")
            for text in (CHINESE, FULLWIDTH, SHORT, "epoch 1 损失 2.5\n", "第1轮 loss 2.5\n第2轮 loss 2\n")
        ),
        *((text, "cp950") for text in (TRADITIONAL, "損失: 0.5\n準確率: 0.5\n")),
        *((text, "cp932") for text in (JAPANESE, "エポック 1 損失 0.5\n", "学習率,損失\n1,2\n")),
        *((text, "cp949") for text in (KOREAN, "손실 정확도\n1 2\n", "학습 손실: 0.5\n")),
    ],
)
def test_encodings_of_east_asia(text: str, encoding: str) -> None:
    source = read_text(text.encode(encoding), False)
    assert (source.encoding, source.data.decode()) == (encoding, text)


def test_the_encoding_that_is_given_is_the_one(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(SHORT.encode("gbk"))
    parsed = parse(tmp_path, [LogFile("t", "m.csv")])
    assert list(parsed.tables["t"]) == ["轮次", "训练损失", "准确率"]
    assert parsed.notes["m.csv"].startswith("csv, ',' between columns, gb18030; ")
    parsed = parse(tmp_path, [LogFile("t", "m.csv", options={"encoding": "latin-1"})])
    assert "训练损失" not in parsed.tables["t"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "text",
    [
        "größe,b\n1,2\n",
        "Größe der Übergänge für die Prüfung: 0,5\nÄußere Schleife läuft, Verlust fällt: 0,25\nStraße: ß öäü\n",
        "époque 1 précision: 0.5\nmodèle évalué à la fin, créée déjà, forêt où ça\nÉPOQUE DÉBUTÉE\n",
        "época 1 precisión: 0.5\n¿señal? ¡sí! años de evaluación número: 3\n",
        "step 1 time 35 µs\nstep 2 time 12 µs\n",
        "loss 0.5 ± 0.1\nloss 0.25±0.05\n",
        "temp 45°C gpu 50 °C\ntemp 46°C\n",
        "1 × 3 conv, 224×224, 5 m²·s, 10³\n",
        "naïve façade Ångström coöperate\n",
    ],
)
def test_latin_text_stays_latin(text: str, encoding: str) -> None:
    source = read_text(text.encode(encoding), False)
    assert (source.encoding, source.data.decode()) == ("latin-1", text)


@pytest.mark.parametrize(
    "text",
    ["it’s done, don’t wait\nit’s epoch 1\n", "“quoted” – and more…\n", "“Verlust”: 0,5\n‚einfach‘ „Anführung“\n"],
)
def test_signs_of_windows_are_no_ideographs(text: str) -> None:
    assert read_text(text.encode("cp1252"), False).encoding == "latin-1"


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "cp1253", "cp1254"])
def test_other_alphabets_are_no_ideographs(encoding: str) -> None:
    text = {"cp1253": "εποχή 1 απώλεια: 0.5 ακρίβεια\nτέλος της εκπαίδευσης\n", "cp1254": "öğrenme kaybı şimdi düşük\n"}
    russian = "эпоха 1 потери: 0.5 точность обучения\nконец обучения модели\n"
    assert read_text(text.get(encoding, russian).encode(encoding), False).encoding == "latin-1"


def test_a_broken_line_does_not_make_utf8_another_encoding() -> None:
    good = "".join(f"第{i}轮 损失: 0.5\n" for i in range(5)).encode()
    for broken in (b"\xe8\xae 6\n", "größe\n".encode("latin-1"), "损失\n".encode("gbk")):
        for data in (good + broken + good, broken + good, good + broken):
            source = read_text(data, False)
            assert source.encoding == BROKEN
            assert source.data.count("损失: 0.5".encode()) == data.count("损失: 0.5".encode())
            assert source.data.count(b"\n") == data.count(b"\n")


def test_a_character_that_is_cut_off_at_the_end_is_left_out() -> None:
    data = CHINESE.encode("gbk") + "训练".encode("gbk")[:3]
    source = read_text(data, False)
    assert (source.encoding, source.data.decode()) == ("gb18030", CHINESE + "训")


@pytest.mark.parametrize("line", ["größe " * 10, "损失 " * 10, "a" * 100 + "é\n"], ids=("long", "wide", "lines"))
def test_the_guess_takes_a_sample(line: str) -> None:
    for encoding in ("latin-1", "gbk"):
        data = b"plain\n" * 1_000_000 + line.encode(encoding, errors="replace") * 100_000
        with at_most(3):
            read_text(data, False)
