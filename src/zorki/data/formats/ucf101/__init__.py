"""UCF101's lists: classInd.txt, trainlist01.txt, testlist01.txt, and the videos."""

PROVIDES = {"clips"}
PRECEDENCE = 35
