startTable();
startCharts();
startImages();
