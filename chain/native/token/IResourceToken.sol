// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// @title A resource token: ERC-20 with metadata, permit (EIP-2612, EIP-5267), minters, a cap, and burning. Addresses
/// 0x0000000000000000000000000000000000000821 (CPU), …0822 (MEM), …0823 (STO) and …0824 (NET).
/// @notice What OpenZeppelin's ERC20, ERC20Permit, ERC20Burnable and ERC20Capped (5.x) do, call by call: the same successes, the same
/// errors (ERC-6093), the same events. Arithmetic beyond 2^256 - 1 is Panic(0x11). Who may mint, and how much there may be, is set
/// in the registry at 0x0000000000000000000000000000000000000820.
interface IResourceToken {
  event Transfer(address indexed from, address indexed to, uint256 value);
  event Approval(address indexed owner, address indexed spender, uint256 value);

  error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
  error ERC20InvalidSender(address sender);
  error ERC20InvalidReceiver(address receiver);
  error ERC20InsufficientAllowance(address spender, uint256 allowed, uint256 needed);
  error ERC20InvalidApprover(address approver);
  error ERC20InvalidSpender(address spender);
  error ERC20ExceededCap(uint256 increasedSupply, uint256 maximum);
  error ERC2612ExpiredSignature(uint256 deadline);
  error ERC2612InvalidSigner(address signer, address owner);
  /// @notice The signature is of nobody.
  error ECDSAInvalidSignature();
  /// @notice The signature's `s` is in the upper half of the curve's order, where every signature has a twin.
  error ECDSAInvalidSignatureS(bytes32 s);
  error NotMinter(address caller);

  function name() external view returns (string memory);

  function symbol() external view returns (string memory);

  function decimals() external view returns (uint8);

  function totalSupply() external view returns (uint256);

  function balanceOf(address account) external view returns (uint256);

  function allowance(address owner, address spender) external view returns (uint256);

  function transfer(address to, uint256 value) external returns (bool);

  /// @notice An allowance of 2^256 - 1 is without end: it is not used up. A finite one shrinks without an event.
  function transferFrom(address from, address to, uint256 value) external returns (bool);

  function approve(address spender, uint256 value) external returns (bool);

  /// @notice Approves by the owner's signature, so that somebody else can pay for it. Each nonce serves once.
  function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;

  /// @notice The nonce that the owner's next permit is signed with.
  function nonces(address owner) external view returns (uint256);

  function DOMAIN_SEPARATOR() external view returns (bytes32);

  /// @notice Of the EIP-712 domain.
  function version() external view returns (string memory);

  /// @notice EIP-5267: what the domain separator is made of.
  function eip712Domain()
    external
    view
    returns (
      bytes1 fields,
      string memory name,
      string memory version,
      uint256 chainId,
      address verifyingContract,
      bytes32 salt,
      uint256[] memory extensions
    );

  /// @notice The most there may be at one time; what is burnt may be minted again.
  function cap() external view returns (uint256);

  function isMinter(address account) external view returns (bool);

  /// @notice Makes new tokens. Minters alone.
  function mint(address to, uint256 value) external;

  /// @notice Destroys the caller's tokens.
  function burn(uint256 value) external;

  /// @notice Destroys somebody's tokens out of the caller's allowance.
  function burnFrom(address account, uint256 value) external;
}
