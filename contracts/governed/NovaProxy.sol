// SPDX-License-Identifier: MIT
pragma solidity ^0.8.26;

import {ERC1967Proxy} from "@openzeppelin/contracts-v57/proxy/ERC1967/ERC1967Proxy.sol";

/// @title What stands at the address that is told: it keeps the storage and calls the code that a `Governed` contract has now.
contract NovaProxy is ERC1967Proxy {
  /// @param initialization call of `initialize`, in the same transaction: nobody comes between
  constructor(address implementation, bytes memory initialization) ERC1967Proxy(implementation, initialization) {}
}
