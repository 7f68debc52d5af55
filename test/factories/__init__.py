"""Made-up networks and streams that several folders of tests share."""
