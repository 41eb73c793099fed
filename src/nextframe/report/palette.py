"""Colours of frames: one scale for all frames of a picture, as bytes, without matplotlib."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from nextframe.frames.sequence import FloatArray

RGB = NDArray[np.uint8]
"""A picture, (H, W, 3)."""
MISSING = (0.6, 0.55, 0.5)
"""Colour of missing values, that no map used here has."""
_STRETCH = 0.4  # the power that rain is drawn by

# Maps of 256 colours each, red, green and blue a byte, as matplotlib has them: viridis and magma (CC0), and RdBu by
# ColorBrewer (Apache License 2.0) from blue to red.
_VIRIDIS = (
    "L;+Mp0#-!?S49O`Mh99(2wX-AT}BIDM-5;{4q-<SV@DBWM-yd86lX{lXh;`nNEm8J8f-`#ZAct$NF8rTA8<$@aY!L^NF#JeBy~t7c1R|7NGNzn"
    "DS1aKdPgjJM=g6tE__EXeMT^TMlyazGk-=jfJHTdMK^&(ID$kugG4%mL_35-J%mF(g+f1tLO_N>L54v>he1S#Kt+f^Mu<O0h(Ab)K1qo_N{K#9"
    "iakw=Jx+=|Pl`NHi#t(^J5q}}Q;RxOj5$?|IaZ7~Sd2JXj5k`0H(QN1T#YtejWu44HD8T1V2w0kjWc46Gh>Z1WR5arjxlDAF=vi3XpS&xjxcJD"
    "FKdo3Y>qB%jxKJFE^m%4aE>i;jx2GGEOL%4bB-%?jw^MJDt3-4caAD}jwyMLDSD16dyXi4jwpSOCw`76e~u@BjwXSQCW4M8f{rDFjwOVSC54V8"
    "hK?kMjw6VUBZ-b9ij5+RjUtSVB8`n9j*TIYjUkYYA(4zAl8hjdj3ASYAC!zAm5U#iiyxPZADD|DnTj8piXNMa9-N6Dorxcwi65VcAE1aIp@<)$"
    "haaMcAftvLq=q4-g(0SeBBzBSsDvY_gCwehC98rZtb!)3fhVnjD6W7huYW4Ae=M<nEwX(svwSbKd@;3qGPZg&ws|$Tc{jLtIJtK^x^_Febv?Xv"
    "KfH55y>ddnaYVmxM!;`K!EQ>yZA`*!PQz<Z#A;H-X;j5%R>o&o$7Nc`WL(H&Uddu$%3x#5UuDZ)XUtq_&0B2ET5ir*aL-qB&{lQORCm!+deKpQ"
    "(olcXPJz=+gw#uh)k%rfNQ>4+j@Ctx*F%%nL6z7*nAkp>**u-uJD}P*qS`m5+cv1%G^*S(t=urM-7m7;Ew$b&xZWwc-YC7_Ccxh%!rvps;33H1"
    "Aj;t%&EXx;;T+Q98`a_(*y0)5;~CxK7~kU<;^Y|R<QeDW8S3R4?ByHp<s9+l9rWfN_U0h?<{|s%BmL(k"
)
_DIVERGING = (
    "1u$U-GGqrdX9zZG2{>&EJ8%p=a}7Us4ncVjLwgWKei2835=n#;OotRsiWN|e7gCTIRFfH2mKs=@8(N$kT%R3Zq8?$TA7iK>Wve1*tRrcyBx<fE"
    "Y_BJ7uqbe`Dsi$abF(aUv@UnGFL|{vdbTorw=;gYG=RA_fx0(?yEuisI)}YGh`v0EzCMh<KaRjakHJEb!b6k8MwP@#m&Ht(#!s8aQk}?FpUGLF"
    "%3Pz%U!~1rr_N=m&uFXAYpl_3uF`R^({-}cc(m1fw$^^Q*MYj&guK~@zS@ew+l|89ki^}S#@?34-<ZhYo5|pv%i*BR;-bytrOxB0(B!Gn<*d@>"
    "uG8kR)#tO;=(gABxY+5t+UmXA>cHIV!rkn}-|WZW?aJZq%;N9Q<nPht@Y3e+)aLQk=keF*@!09{+UfG!>hj&|^4{z6;Oz6^?epX9^W^UI=I`|9"
    "@bu~M^y=~T?DF;P^7ZfY_3-re^7Z!f_4f7l_xAVq_xASp_4N4k^7!-c`10@g@$LEW>-q2L`R?cW?dAFF<NE61`sv^L=-&G0-23L*`{mgC<ktJ+"
    ")coSo{NT|1-_QKs&HdfW{oKj@+sFOc#QfL7{MEnw)4co8x%<wy`^>cZ%CY*$uldHT`NXOD!l(GZr1-s|_`9C>xt#a6nfJAp_Oq1sv61$#j`ggI"
    "^{R>WsD|{WgY%?;@}Yn6o_+9~d+(Wf?v{7#lXUBma_Ww7>5FdYiEQSEYUP7y<bY=5eq`c%V&QmT-*#T!b6nkUS=??{+iO+YXj9l_QP*Qn)?iK5"
    "T};zjO43+K&{as!Qbx{CMa)b@%Sl4XM?uI$K*m8n#Xdd6J3PWTI>9zMzcV<#FgCp{HM=S_x+pTZB{8=mFt#5qv>Yw787#3FE3OwRs}?G#6)B|@"
    "DWVf7pAsmX5hs}tCzcN<lMW`34JM5YC5j6rhYBQw2_%6CBYy}Zd<P<V1|oI^A#(&Fa04K10w8JuA7=m`"
)
_MAGMA = (
    "000C500jX71_1#G0s#pE0t*5H4FdxY0|OES1QZ1X76t_v1_c@i1{??n9tj5^3J4+#2_y^&CJhQH4ht&~3oQ{0FA@zg6Ad&J4mK4II2I2(7!N%e"
    "5I-6aLL3l89T7(!5lJ8sOCb?XA`ws|5>q7-RVNZyDG^#K5nL=0Uo8<~FA-xg5oI$FXEYFLHV|t#5NtUQZaWWfJr8j|4{|^cbV3hxL=SdF5O+rq"
    "cu5d=N)UNW5qeG$druO3Q4)Mo6MR$?eO45GR~3F)6@FS4eq0uRT^D~}7=K_GfMOYdWEy~F8h~dTfM^_nY8-)U9f55ffo>jwa36tkAAxfqfpsB)"
    "b|HayB7u1#f_o!^d?SK>B!Yk?f`KK0gC>E5CV_@0frux8i70`KDS?bBfsQJHkSc+ZD}j?MfRrqNmMnmnEr6LVfSWFVoGyQ!FMpsff1xmbqcDD@"
    "F@B~oeW)^hsxy77GkmQye6BQmur+(KHG8u*dbKusw>NpXH+i}^c)U4yy*YQkI(NW2cEUS##5{GyJaorBbI3k(%06<;KXJ`KanC?-&_Qp~LT}SU"
    "Zq-C>)<taCMQqtdYuiU^+(>EONoe0nXy8m|;!S4bPG#gzWaUs~=Tc+nQ)1~<V(M05>sMgxSYYj1U+!C8?_FN-UtaNGUGidG@?>1|WnA=UT=Z#N"
    "^=n-AY+UwkT=#HX_i|kLbX@p$T={ri`FUOWdtLf{UiyDt`hj2jgJ1iFVEcz*{E1=wiemhXWBiU}{E%h+l4kvsXZ@CF{g`R}nri)<YyO>V{-16B"
    "p>F=8Z~mom{-<*OsdN6SbpEV%{;qfauz3Emdj7O~{<eJnw|@S)fBw6H{=I_!zl8q5h5o{a{=|s>#)|&PjQ+}v{>+d5&5-`jlK#<@{?nEI)tCO)"
    "nf}<C{o0)U+@Ag3p#9*X{o<qj<E8!Or~T)t{pqUx>#Y3juKez>{P42;^0fT)w*2<E{P(&1`Mdo4z5M;Z"
)


class Palette:
    """One scale of colours for all frames of a picture.

    Values in 0..1 and bytes are shown in grey (three channels: in colour), other fields in a perceptually uniform map
    from the smallest to the largest value of the frames given here; errors in a map that diverges from zero. Where
    hardly any value comes near the largest one, as in rain, the scale is stretched at its lower end.

    Args:
        frames: what the scale is to fit, (T, C, H, W) each; usually past and truth.
    """

    def __init__(self, *frames: FloatArray) -> None:
        values = np.concatenate([part[np.isfinite(part)].ravel() for part in frames])
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        coloured = all(part.shape[1] == 3 for part in frames)
        self.map, self.power = "gray", 1.0
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low >= 0 and 100 < high <= 255 and (coloured or np.array_equal(values, np.round(values))):
            low, high = 0.0, 255.0
        elif not coloured:  # colours of their own are explained by no bar
            self.map = "viridis"
            if low > -0.02 * high and np.quantile(values, 0.98) < low + (high - low) / 3:
                self.power = _STRETCH
        self.low, self.high = low, high if high > low else low + 1.0
        self.range = self.high - self.low

    @property
    def needs_bar(self) -> bool:
        """True where a picture needs a colour bar to be read; grey and colour pictures do not."""
        return self.map != "gray"

    def frame(self, frame: FloatArray) -> RGB:
        """A frame (C, H, W) as (H, W, 3) bytes; of other than three channels, the first."""
        shown = frame if len(frame) == 3 else frame[:1]
        share = (np.nan_to_num(shown.astype(np.float64)) - self.low) / self.range
        scaled = np.clip(share, 0, 1) ** self.power
        picture = np.moveaxis(scaled, 0, -1) * 255 if len(frame) == 3 else self._colours(scaled[0])
        return _bytes(picture, np.isnan(frame).any(axis=0))

    def error(self, forecast: FloatArray, truth: FloatArray) -> RGB:
        """Forecast minus truth, (C, H, W) each, mean over channels, as (H, W, 3) bytes: blue too low, red too high."""
        difference = forecast.astype(np.float64) - truth
        missing = np.isnan(difference).any(axis=0)
        share = np.clip(np.nan_to_num(difference).mean(axis=0) / self.range, -1, 1)
        scaled = np.sign(share) * np.abs(share) ** self.power
        return _bytes(mapped("RdBu_r", (scaled + 1) / 2), missing)

    def bar(self, length: int, thickness: int = 1) -> RGB:
        """The colours from the largest value, on top, to the smallest, (length, thickness, 3)."""
        shades = self._colours(np.linspace(1, 0, length))[:, None]
        return _bytes(shades.repeat(thickness, axis=1), np.False_)

    def ticks(self) -> list[str]:
        """Values at the lower end, the middle and the upper end of the bar."""
        return [f"{self.low + self.range * share ** (1 / self.power):.3g}" for share in (0.0, 0.5, 1.0)]

    def _colours(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        return mapped(self.map, share)


def probability_picture(probability: FloatArray) -> RGB:
    """A probability (C, H, W), of the first channel, as (H, W, 3) bytes: dark for 0, bright for 1."""
    return _bytes(mapped("magma", np.nan_to_num(probability[0])), np.isnan(probability[0]))


def mapped(name: str, share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shares in 0..1 as colours (..., 3) in 0..255 of the map "gray", "viridis", "RdBu_r" or "magma"."""
    colours: NDArray[np.float64] = _MAPS[name][np.clip((share * 256).astype(int), 0, 255)].astype(np.float64)
    return colours


def enlarge(picture: RGB, smallest: int = 200, largest: int = 1000) -> RGB:
    """Repeat pixels until the shorter side has at least so many, so that small frames can be seen; but not beyond where
    the longer side would have more than `largest`.
    """
    wanted = -(-smallest // min(picture.shape[:2]))
    factor = max(1, min(wanted, largest // max(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _bytes(picture: NDArray[np.float64], missing: NDArray[np.bool_] | np.bool_) -> RGB:
    picture = np.where(np.asarray(missing)[..., None], np.array(MISSING) * 255, picture)
    return np.round(picture).astype(np.uint8)


def _map(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b85decode(text), np.uint8).reshape(256, 3)


_MAPS = {
    "gray": np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1),
    "viridis": _map(_VIRIDIS),
    "RdBu_r": _map(_DIVERGING),
    "magma": _map(_MAGMA),
}
