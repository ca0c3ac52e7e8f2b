// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {TimelockController} from "@openzeppelin/contracts-v57/governance/TimelockController.sol";

/// @title The owner of `Governed` contracts: what its proposers schedule can be seen for `minDelay` seconds before anybody may execute it.
contract NovaTimelock is TimelockController {
  /// @dev Nobody administers it but itself, and whoever wants may execute what is due.
  constructor(uint256 minDelay, address[] memory proposers)
    TimelockController(minDelay, proposers, new address[](1), address(0))
  {}
}
