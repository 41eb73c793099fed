"""Maps of 256 colours, as bytes, without matplotlib."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

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


def mapped(name: str, share: NDArray[np.floating]) -> NDArray[np.float64]:
    """Shares in 0..1 as colours (..., 3) in 0..255 of the map "gray", "viridis", "RdBu_r" or "magma"."""
    colours: NDArray[np.float64] = _MAPS[name][np.clip((share * 256).astype(int), 0, 255)].astype(np.float64)
    return colours


def _map(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b85decode(text), np.uint8).reshape(256, 3)


_MAPS = {
    "gray": np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1),
    "viridis": _map(_VIRIDIS),
    "RdBu_r": _map(_DIVERGING),
    "magma": _map(_MAGMA),
}
